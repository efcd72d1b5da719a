"""Finds out whether a job has been rehearsed before: the same model, rows, settings and programs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User

from datasets_app.models import Dataset, TellingRows
from datasets_app.telling_rows import telling_rows_at_hand
from models_catalog import catalogue
from models_catalog.cache import cache_state
from models_catalog.inspections import key_of as key_of_files

from .models import Rehearsal
from .rehearsal.document import Document
from .rulebook import Action, Choices, Finding, Fix, Severity

LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "trl", "accelerate", "datasets")
NOT_POSSIBLE = "rehearsal.not-possible"
PROGRAMS = ("rehearsal", "rulebook", "trainer")
"""Packages of ours whose code decides what a rehearsal does."""
ELSEWHERE = {"name", "model.name", "model.revision", "data.dataset"}
"""Settings that change nothing, or whose meaning the model's files and the rows hold."""


def key_of(choices: Choices, dataset: Dataset, rows: TellingRows, folder: Path) -> str:
    """The question that a rehearsal answers, as a digest. `folder` holds the model's small files."""
    settings = {path: value for path, value in choices.effective.items() if path not in ELSEWHERE}
    shape = [dataset.format, dataset.conversational]
    question = [key_of_files(folder), rows.digest, shape, settings, libraries(), programs()]
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()


def remembered(choices: Choices, user: User) -> Rehearsal | None:
    """The finished rehearsal of these choices, if there is one. Takes a few queries, and reads no dataset."""
    folder = folder_of(choices)
    dataset = Dataset.objects.visible_to(user).filter(pk=choices.values.get("data.dataset", 0)).first()
    rows = telling_rows_at_hand(dataset) if dataset and folder else None
    if not (dataset and rows and folder):
        return None
    key = key_of(choices, dataset, rows, folder)
    return Rehearsal.objects.filter(key=key, document__isnull=False).first()


def folder_of(choices: Choices) -> Path | None:
    """Where the model's small files are, if they are here; its weights need not be."""
    model = catalogue.find(choices.values.get("model.name", ""))
    return cache_state(model, choices.values.get("model.revision")).described_in if model else None


@cache
def libraries() -> dict[str, str]:
    """Installed versions, by name."""
    return {name: version(name) for name in LIBRARIES}


@cache
def programs() -> str:
    """A digest of our own code: what was rehearsed before a change is not believed after it."""
    digest = hashlib.sha256()
    for package in PROGRAMS:
        for file in sorted((Path(__file__).parent / package).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def findings_of(rehearsal: Rehearsal) -> tuple[Finding, ...]:
    """What the rehearsal found, as the rulebook words it."""
    return tuple(_finding(each) for each in (rehearsal.document or {}).get("findings", ()))


def _finding(stored: Mapping[str, Any]) -> Finding:
    fixes = tuple(_fix(fix) for fix in stored.get("fixes", ()))
    return Finding(stored["code"], Severity(stored["severity"]), stored.get("field"), stored["message"], fixes)


def _fix(stored: Mapping[str, Any]) -> Fix:
    changes = {path: tuple(each) if isinstance(each, list) else each for path, each in stored["changes"].items()}
    action = dict(stored.get("action") or {})
    return Fix(stored["label"], changes, Action(action.pop("name"), action) if action else None)


def unrehearsed(reason: str, *, reference: str = "", log: str = "") -> Document:
    """The document of a rehearsal that did not take place."""
    return {
        "state": "not_rehearsed",
        "reason": reason,
        "findings": [],
        "proved": [],
        "rows": [],
        "seconds": {},
        "libraries": {},
        "reference": reference,
        "log": log,
    }


def not_possible(rehearsal: Rehearsal, severity: Severity) -> Finding:
    """Said of a job that could not be rehearsed: an error, or a warning once its author has accepted it."""
    reason = (rehearsal.document or {}).get("reason", "")
    advice = "Start it without a rehearsal if you accept the risk." if severity is Severity.ERROR else ""
    message = f"The job could not be rehearsed: {reason} {advice}".rstrip()
    return Finding(NOT_POSSIBLE, severity, None, message)
