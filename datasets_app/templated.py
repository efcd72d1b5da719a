"""Conversations written as text by the chat template of a model, a batch at a time, where templates may run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from finetune_site.problems import problem
from jobs.warm.client import Unanswered, ask
from models_catalog import catalogue
from models_catalog.cache import cache_state
from models_catalog.models import BaseModel

from .converted_rows import conversation

BATCH = 200
"""Rows written in one go: starting takes as long as writing some fifty."""
MOST_CHARACTERS = 4_000_000
SECONDS = 120.0
MOST_NAMED = 200

Row = dict[str, Any]


def template_folder(name: str) -> Path:
    """The files of a model that has a chat template. Raises `Problem` on `model`."""
    model = catalogue.find(name)
    if model is None:
        message = f"There is no model called “{name[:100]}”. Choose one of the list."
        raise problem("model", "conversion.no-model", message)
    folder = cache_state(model).folder
    if folder is None:
        message = f"The files of {model.name} are not here, so its chat template cannot be used. Fetch the model first."
        raise problem("model", "conversion.model-not-here", message)
    return folder


def names_of_writers() -> list[str]:
    """Models that are here and have a chat template."""
    models = BaseModel.objects.filter(supports_chat=True).order_by("name")[:MOST_NAMED]
    return [model.name for model in models if cache_state(model).folder]


def written_by_template(folder: Path, rows: Iterable[tuple[int, Row]]) -> Iterator[tuple[int, str, str]]:
    """For each row its line, its text, and the words with which the template refuses it where there is no text."""
    for batch in _batches(rows):
        given = [{"messages": conversation(row), "tools": row.get("tools")} for _, row in batch]
        told = ask("render_all", seconds=SECONDS, fresh=True, folder=str(folder), conversations=given)
        if told["problem"]:
            raise Unanswered("failed", told["problem"])
        for (line, _), (text, refusal) in zip(batch, told["texts"], strict=True):
            yield line, text, refusal


def _batches(rows: Iterable[tuple[int, Row]]) -> Iterator[list[tuple[int, Row]]]:
    rest = iter(rows)
    while batch := list(_batch(rest)):
        yield batch


def _batch(rows: Iterator[tuple[int, Row]]) -> Iterator[tuple[int, Row]]:
    size = 0
    for line, row in islice(rows, BATCH):
        yield line, row
        size += sum(len(turn["content"]) for turn in conversation(row))
        if size > MOST_CHARACTERS:
            return
