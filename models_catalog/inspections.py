"""What was found by looking into models, remembered by the content of their small files.

The looking itself is `inspection/`, done in the warm process. Here it is asked for, kept and handed out.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jobs.warm.client import Unanswered, ask

from .cache import cache_state
from .files import Signature, signature
from .hub_files import is_small
from .inspection.versions import code, libraries
from .models import BaseModel, Inspection

logger = logging.getLogger(__name__)

SECONDS = 60.0
"""Time for one look where nobody waits; the largest published models take a few."""
PARTS = ("tree", "tokenizer", "template")


@dataclass(frozen=True)
class Inspected:
    """A document, with its facts as rules read them: lists are tuples."""

    document: Mapping[str, Any]
    facts: Mapping[str, Any]


def inspect(
    model: BaseModel, revision: str | None = None, *, fresh: bool = False, seconds: float = SECONDS
) -> Inspection | None:
    """Look into a model whose small files are here, unless that was done before. None when it cannot be done.

    Without a warm process only with `fresh`, which then takes a process's imports longer.
    """
    folder = cache_state(model, revision).described_in
    if folder is None:
        return None
    try:
        return inspect_folder(folder, fresh=fresh, seconds=seconds)
    except Unanswered as failed:
        logger.info("%s was not inspected: %s", model, failed)
        return None


def inspect_folder(folder: Path, *, fresh: bool = False, seconds: float = SECONDS) -> Inspection:
    """The same for a folder. Raises `Unanswered`."""
    key = key_of(folder)
    done = Inspection.objects.filter(key=key).first()
    if done is not None:
        return done
    document = _look(folder, fresh, seconds)
    return Inspection.objects.get_or_create(key=key, defaults={"document": document})[0]


def inspection_at_hand(model: BaseModel, revision: str | None = None) -> Inspection | None:
    """What was found before; nothing is looked at now."""
    folder = cache_state(model, revision).described_in
    return Inspection.objects.filter(key=key_of(folder)).first() if folder else None


def found_in(folder: Path | None) -> Inspected | None:
    """What is remembered of the files in a folder. Asks the database once for each model and process."""
    if folder is None:
        return None
    try:
        return _found(key_of(folder))
    except Inspection.DoesNotExist:
        return None


def forget() -> None:
    """What this process remembers; the database keeps its rows."""
    _found.cache_clear()


@lru_cache(maxsize=64)
def _found(key: str) -> Inspected:
    """What does not exist is raised and so not remembered."""
    document = Inspection.objects.values_list("document", flat=True).get(key=key)
    facts = {name: tuple(fact) if isinstance(fact, list) else fact for name, fact in document["facts"].items()}
    return Inspected(document, facts)


# The key


def key_of(folder: Path) -> str:
    """Stands for the small files in a folder, the libraries and our own code. Hashes a file again when it changes."""
    return _key(folder, signature(folder))


@lru_cache(maxsize=256)
def _key(folder: Path, files: Signature) -> str:
    digest = hashlib.sha256(repr((libraries(), code())).encode())
    for name, _, _ in files:
        if is_small(name):
            digest.update(f"{name}\0{_content(folder / name)}\n".encode())
    return digest.hexdigest()


def _content(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


# Looking


def _look(folder: Path, fresh: bool, seconds: float) -> dict[str, Any]:
    """All parts at once; where that breaks down, each part by itself, so that the others are known nevertheless."""
    try:
        return ask("inspect", seconds=seconds, fresh=fresh, folder=str(folder))
    except Unanswered as failed:
        if failed.reason == "absent" or seconds < SECONDS:  # else somebody waits
            raise
        logger.warning("Looking into %s broke down: %s\n%s", folder, failed, failed.log)
    return _merged([_part(folder, name, fresh) for name in PARTS])


def _part(folder: Path, name: str, fresh: bool) -> dict[str, Any]:
    try:
        return ask("inspect", seconds=SECONDS, fresh=fresh, folder=str(folder), parts=[name])
    except Unanswered as failed:
        problem = {"code": f"{name}-{failed.reason}", "message": f"Looking at its {name} failed. {failed}"}
        return {"version": 0, "libraries": libraries(), "seconds": 0.0, "facts": {}, name: {}, "problems": [problem]}


def _merged(documents: list[dict[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for document in documents:
        whole |= document
    whole["version"] = max(document["version"] for document in documents)
    whole["seconds"] = round(sum(document["seconds"] for document in documents), 3)
    whole["facts"] = {name: fact for document in documents for name, fact in document["facts"].items()}
    whole["problems"] = [problem for document in documents for problem in document["problems"]]
    return whole
