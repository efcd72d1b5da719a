"""Datasets made from others. A version is written once and never changed, and knows what it was made from and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from django.db.models import Max, Q

from .models import Dataset, DatasetQuerySet
from .services import begin_reading, under_free_name
from .uploads import check_size


def derive(parent: Dataset, kind: str, options: Mapping[str, Any], *, name: str, notes: Sequence[str] = ()) -> Dataset:
    """A new version of `parent`, which stays as it is. Its file is written by a task if the parent is large.

    `kind` is one of `version_files.WRITERS`, and `options` are the JSON values from which its writer makes the rows.
    `name` is what the version should be called; a number follows where that is taken.
    """
    check_size(parent.size_bytes)
    first = parent.original or parent

    def create(free_name: str) -> Dataset:
        return Dataset.objects.create(
            owner=parent.owner,
            name=free_name,
            file_name=f"{PurePath(parent.file_name).stem[:150]}-{kind}.jsonl",
            parent=parent,
            original=first,
            version=_next_version(first),
            change={"kind": kind, "options": dict(options)},
            notes=list(notes),
        )

    return begin_reading(under_free_name(parent.owner, name, create), parent.size_bytes)


def family(dataset: Dataset) -> DatasetQuerySet:
    """All versions of what a dataset is a version of, itself among them, the first one first."""
    return _family(dataset.original or dataset).order_by("version", "pk")


def _family(first: Dataset) -> DatasetQuerySet:
    return Dataset.objects.filter(Q(pk=first.pk) | Q(original=first))


def _next_version(first: Dataset) -> int:
    """Counted while the first version is locked, so that two who derive at once get two numbers."""
    Dataset.objects.select_for_update().get(pk=first.pk)
    newest: int = _family(first).aggregate(newest=Max("version"))["newest"]
    return newest + 1


def how_made(dataset: Dataset) -> str:
    """In a few words, for a list of versions."""
    kind, options = dataset.change.get("kind"), dataset.change.get("options", {})
    match kind:
        case "conversion":
            return f"Converted to {str(options.get('to', '')).replace('_', ' ')}"
        case "correction":
            return "Corrected"
        case "split":
            return "Held-out part of a split" if options.get("part") == "held_out" else "Training part of a split"
        case "mapping":
            return "Columns mapped by hand"
        case None:
            return "Uploaded"
    return str(kind).replace("_", " ").capitalize()
