"""Facts about model and dataset in the words of the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import humanize

from datasets_app.models import Format

from .rulebook.words import magnitude

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class FactBox:
    """A box of facts."""

    title: str
    icon: str
    facts: list[tuple[str, str]]


def fact_boxes(facts: Facts) -> list[FactBox]:
    boxes = []
    if facts.get("model_listed"):
        boxes.append(FactBox(str(facts["model"]), "box", list(_model(facts))))
    if facts.get("dataset_found"):
        boxes.append(FactBox(str(facts.get("dataset_name", "Dataset")), "database", list(_dataset(facts))))
    return boxes


def _model(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "Files", _files(facts)
    if facts.get("family"):
        yield "Family", str(facts["family"])
    if facts.get("parameters"):
        yield "Parameters", magnitude(facts["parameters"])
    if facts.get("context_length"):
        yield "Context", f"{humanize.intcomma(facts['context_length'])} tokens"
    if facts.get("supports_chat") is not None:
        yield "Chat", "yes" if facts["supports_chat"] else "no chat template"
    yield "Known from", "its own files" if facts.get("modules") else "its family, so assumed"


def _files(facts: Facts) -> str:
    if facts.get("model_cache") in ("cached", "local"):
        return "✓ on this machine"
    size = facts.get("bytes_to_fetch")
    return f"⬇ {humanize.naturalsize(size)} to download" if size else "⬇ to download"


def _dataset(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.get("dataset_format"):
        yield "Format", Format(facts["dataset_format"]).label
    if facts.get("rows") is not None:
        yield "Rows", humanize.intcomma(facts["rows"])
    if facts.get("bad_row_count"):
        yield "Bad rows", humanize.intcomma(facts["bad_row_count"])
    if facts.get("token_ceiling"):
        yield "Longest row", f"at most {humanize.intcomma(facts['token_ceiling'])} tokens"
