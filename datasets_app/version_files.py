"""Writes the file of a version from its parent, and beside it what was changed in which line.

How the rows of each kind of version come about stands in the module of that kind; `WRITERS` names them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple

import msgspec
from django.utils.module_loading import import_string

from .models import Dataset
from .uploads import written

WRITERS: Mapping[str, str] = {
    "conversion": "datasets_app.conversions.version_rows",
    "correction": "datasets_app.corrections.version_rows",
    "mapping": "datasets_app.mappings.version_rows",
    "split": "datasets_app.splits.version_rows",
}
"""By kind of change, the function that makes the rows of a version from its parent and the options."""

SIGN_EVERY = 1000
"""Rows between two signs of life."""


class Change(NamedTuple):
    """What happened to one row: a code that says why, and what was done, in words."""

    code: str
    done: str


Row = dict[str, Any] | bytes | None
"""What is written: an object, the bytes of one, or nothing where the row is left out."""
Step = tuple[int, Row, Change | None]
"""A line of the parent's file, what is written for it, and what was changed. A row may have several steps."""
Writer = Callable[[Dataset, Mapping[str, Any]], Iterator[Step]]


def steps(parent: Dataset, kind: str, options: Mapping[str, Any]) -> Iterator[Step]:
    """The rows of a version, whether it is written or only tried."""
    writer: Writer = import_string(WRITERS[kind])
    return writer(parent, options)


@dataclass
class Report:
    """What a version adds up to, as it is being made."""

    written: int = 0
    left_out: int = 0
    changed: int = 0
    by_code: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row, change: Change | None) -> None:
        if row is not None:
            self.written += 1
        if change is not None:
            self.by_code[change.code] += 1
            if row is None:
                self.left_out += 1
            else:
                self.changed += 1

    def as_dict(self) -> dict[str, Any]:
        counts = {"rows_written": self.written, "rows_left_out": self.left_out, "rows_changed": self.changed}
        return counts | {"by_code": dict(self.by_code.most_common())}


def write_version(dataset: Dataset, on_row: Callable[[int], None] | None = None) -> None:
    """Write the file and the report of a version whose row is there already. `on_row` hears that it goes on."""
    parent = dataset.parent
    if parent is None:
        raise LookupError("The dataset from which this version is made was deleted.")
    report = Report()
    made = steps(parent, dataset.change["kind"], dataset.change["options"])
    growing = dataset.report_path.with_suffix(".part")
    try:
        with growing.open("wb") as changes, written(_lines(made, report, changes, on_row)) as arrived:
            arrived.path.replace(dataset.path)
        growing.replace(dataset.report_path)
    finally:
        growing.unlink(missing_ok=True)
    dataset.size_bytes, dataset.sha256, dataset.report = arrived.size, arrived.sha256, report.as_dict()
    dataset.save(update_fields=["size_bytes", "sha256", "report"])


def _lines(
    made: Iterator[Step], report: Report, changes: IO[bytes], on_row: Callable[[int], None] | None
) -> Iterator[bytes]:
    for number, (line, row, change) in enumerate(made):
        report.add(row, change)
        if change is not None:
            told = {"line": line, "code": change.code, "done": change.done, "left_out": row is None}
            changes.write(msgspec.json.encode(told) + b"\n")
        if row is not None:
            yield _on_one_line(row) + b"\n"
        if on_row and not number % SIGN_EVERY:
            on_row(0)


def _on_one_line(row: dict[str, Any] | bytes) -> bytes:
    """Line ends in JSON stand between its values only, never in them."""
    if isinstance(row, bytes):
        return row.strip().replace(b"\r", b" ").replace(b"\n", b" ")
    return msgspec.json.encode(row)
