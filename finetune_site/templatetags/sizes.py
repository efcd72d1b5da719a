"""Sizes as pages tell them: in powers of 1000, as the findings and the model hub do."""

from __future__ import annotations

import humanize
from django import template

register = template.Library()


@register.filter
def naturalsize(amount: int) -> str:
    """`269.1 MB`."""
    return humanize.naturalsize(amount)
