"""Saying by hand which column is what: tried on a few rows, kept for files alike, applied as a new version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from finetune_site.problems import problem

from .models import ColumnMapping, Dataset
from .preview import shown
from .reading import rows_of
from .reading.formats.unknown import Unknown
from .reading.mapping import Plan, Unfit, mapped
from .reading.problems import ROW_ERRORS, BadRow
from .version_files import Change, Step
from .versions import derive

TRIED = 200
SHOWN = 3


def plan_of(options: Mapping[str, Any]) -> Plan:
    """Raises `Problem` on `columns`."""
    try:
        return Plan.of(options)
    except Unfit as reason:
        raise problem("columns", "mapping.unfit", str(reason)) from reason


def keep_mapping(*, owner: User, name: str, plan: Plan) -> ColumnMapping:
    """Keep a mapping under a name, for other files with these columns. One of that name is replaced."""
    given = " ".join(name.split())[:MOST_OF_NAME]
    if not given or not given.isprintable():
        raise problem("name", "mapping.no-name", "Give the mapping a name of letters, so that you find it again.")
    try:
        with transaction.atomic():
            kept, _ = ColumnMapping.objects.update_or_create(owner=owner, name=given, defaults=plan.as_options())
    except IntegrityError as error:  # somebody else's request took the name since we looked
        message = f"You already have a mapping called “{given}”. Choose another name."
        raise problem("name", "mapping.name-taken", message) from error
    return kept


MOST_OF_NAME = ColumnMapping._meta.get_field("name").max_length or 0


def mappings_for(dataset: Dataset) -> list[ColumnMapping]:
    """Kept mappings all of whose columns the file has."""
    columns = set(dataset.columns)
    kept = ColumnMapping.objects.filter(owner=dataset.owner)
    return [each for each in kept if {entry["column"] for entry in each.columns} <= columns]


@dataclass(frozen=True)
class TriedMapping:
    """What a plan makes of the first rows: how many are good, and a few of them before and after."""

    plan: Plan
    rows: int
    good: int
    pairs: list[tuple[dict[str, Any], dict[str, Any] | str]]
    reasons: Sequence[str]


def try_mapping(*, dataset: Dataset, plan: Plan) -> TriedMapping:
    """Nothing is written. Raises `Problem`."""
    _check(dataset, plan)
    first = list(islice(rows_of(dataset.path), TRIED))
    made = [row for _, row in mapped(first, plan)]
    pairs = [
        (_readable(raw), str(row) if isinstance(row, BadRow) else shown(row))
        for (_, raw), row in zip(first[:SHOWN], made, strict=False)
    ]
    reasons = list(dict.fromkeys(str(row) for row in made if isinstance(row, BadRow)))[:SHOWN]
    return TriedMapping(plan, len(made), sum(not isinstance(row, BadRow) for row in made), pairs, reasons)


def _readable(raw: bytes) -> dict[str, Any]:
    """The row as it stands in the file, if it can be read at all."""
    try:
        read: dict[str, Any] = shown(Unknown().read(raw))
    except ROW_ERRORS:
        return {}
    return read


def map_dataset(*, dataset: Dataset, plan: Plan) -> Dataset:
    """A new version whose rows are made from the columns as the plan says. Rows of which none can be made go."""
    _check(dataset, plan)
    notes = list(_notes(dataset, plan))
    return derive(dataset, "mapping", plan.as_options(), name=f"{dataset.name[:90]} mapped", notes=notes)


def _check(dataset: Dataset, plan: Plan) -> None:
    if dataset.status != Dataset.Status.READY or not dataset.rows:
        message = f"“{dataset.name}” has no rows that have been read, so there is nothing to map yet."
        raise problem("columns", "mapping.no-rows", message, 409)
    unknown = [column for column, _ in plan.columns if column not in dataset.columns]
    if unknown:
        message = f"The file has no column “{unknown[0][:60]}”. It has {', '.join(dataset.columns[:12])}."
        raise problem("columns", "mapping.unknown-column", message)


def _notes(dataset: Dataset, plan: Plan) -> Iterator[str]:
    used = [column for column, _ in plan.columns]
    left = [column for column in dataset.columns if column not in used]
    yield f"Made from {', '.join(used)}."
    if left:
        yield f"Not used: {', '.join(left[:12])}{' …' if len(left) > 12 else ''}."


def version_rows(original: Dataset, options: Mapping[str, Any]) -> Iterator[Step]:
    """The rows of a dataset, made anew from its columns."""
    for line, row in mapped(rows_of(original.path), Plan.of(options)):
        if isinstance(row, BadRow):
            yield line, None, Change(row.code, f"Left out: {row}")
        else:
            yield line, row, None
