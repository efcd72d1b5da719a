"""What the page of a new job says about the tokens of its rows, and where all of them are accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.humanize.templatetags.humanize import intcomma
from django.urls import reverse

from datasets_app.accounting_question import PARAMETERS
from datasets_app.models import Format

from .display import as_text

UNTRAINABLE = (Format.UNKNOWN, Format.UNPAIRED_PREFERENCE)


@dataclass(frozen=True)
class Accounted:
    text: str
    link: str
    address: str


def accounted(facts: Mapping[str, Any], settings: Mapping[str, Any]) -> Accounted | None:
    """None as long as model or dataset are not chosen. `settings` are by dotted name."""
    ready = facts.get("model_listed") and facts.get("dataset_status") == "ready"
    if not ready or facts.get("dataset_format") in UNTRAINABLE:
        return None
    asked = {name: as_text(settings.get(path)) for name, path in PARAMETERS.items()}
    asked |= {"model": facts["model"], "revision": facts.get("revision") or ""}
    query = urlencode({name: value for name, value in asked.items() if value})
    address = f"{reverse('datasets:accounting', args=[facts['dataset']])}?{query}"
    if "rows_accounted" not in facts:
        return Accounted("How many tokens the rows have is not counted yet.", "Count them all", address)
    text = (
        f"Of {intcomma(facts['rows_accounted'])} rows {intcomma(facts['rows_usable'])} are learnt from: "
        f"{intcomma(facts['trained_tokens'])} tokens in each epoch."
    )
    return Accounted(text, "See what is cut and what the model sees", address)
