"""Words and shapes for the pages of datasets."""

from __future__ import annotations

import json
from typing import Any

from django import template

from .. import versions
from ..models import Dataset, Format
from ..reading.layouts import LABELS

register = template.Library()


@register.filter
def how_made(dataset: Dataset) -> str:
    return versions.how_made(dataset)


@register.filter
def format_label(name: str) -> str:
    return Format(name).label


@register.filter
def layout_label(name: str) -> str:
    return LABELS.get(name, name)


@register.filter
def pretty(value: Any) -> str:
    """A JSON value on several lines; a text as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
