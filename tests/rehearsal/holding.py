"""Holds real rehearsals, in this process."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

from jobs.rehearsal.document import Document, TellingRow
from jobs.rehearsal.rehearse import rehearse
from jobs.rulebook.reading import nest
from tests.trainer.runs import LLAMA_TARGETS, ROWS, SETTINGS

Rows = list[dict[str, Any]]
FIRST_LINE = 10


def run_of(kind: str, facts: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A run file. Settings are changed with `__` for the dot: `lora__r=4`."""
    strategy = "chat" if kind in ("messages", "preference_chat") else "standard"
    changed = {"data.strategy": strategy, **{name.replace("__", "."): value for name, value in changes.items()}}
    return {
        "job": 1,
        "attempt": 1,
        "spec": nest(SETTINGS | changed),
        "model_path": "not/there/yet",
        "dataset_format": kind.removesuffix("_chat"),
        "conversational": strategy == "chat",
        "rows": 1000,
        "facts": {"lora_targets": LLAMA_TARGETS} if facts is None else facts,
    }


def hold(
    model: Path, kind: str = "messages", rows: Rows | None = None, facts: dict[str, Any] | None = None, **changes: Any
) -> Document:
    """The document of a rehearsal. Its rows are lines 10, 11, ... of their dataset."""
    given = ROWS[kind][:6] if rows is None else rows
    telling = [TellingRow(line=line, why="at random", row=row) for line, row in enumerate(given, start=FIRST_LINE)]
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries warn of their own futures
        return rehearse(str(model), run_of(kind, facts, **changes), telling, scratch)


def proved(document: Document) -> list[str]:
    return [proof["code"] for proof in document["proved"]]


def evidence(document: Document, code: str) -> dict[str, Any]:
    return next(proof["evidence"] for proof in document["proved"] if proof["code"] == code)


def found(document: Document) -> list[str]:
    return [finding["code"] for finding in document["findings"]]
