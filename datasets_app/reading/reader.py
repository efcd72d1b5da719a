"""Reads a dataset file: what it holds, how much of it is good, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .detect import Shape, detect
from .explain import explain
from .formats import row_format
from .problems import ROW_ERRORS, Problems
from .sources import rows_of
from .tally import Tally

PREVIEWED = 5


@dataclass(frozen=True)
class Reading:
    """Everything one pass over a file tells. `rows` are all of its rows, good and bad."""

    shape: Shape
    rows: int
    problems: Problems
    tally: Tally
    preview: tuple[dict[str, Any], ...]

    @property
    def bad_rows(self) -> int:
        return self.problems.total

    @property
    def stats(self) -> dict[str, Any]:
        return self.tally.as_dict() | {"bad_rows_by_code": dict(self.problems.counts.most_common())}


def read_file(path: Path, on_progress: Callable[[int], None] | None = None) -> Reading:
    """Read the whole file, in bounded memory. `on_progress` hears the number of bytes read so far."""
    shape = detect(rows_of(path))
    form = row_format(shape.format, conversational=shape.conversational)
    problems, tally, preview = Problems(), Tally(), list[dict[str, Any]]()
    read, measure = form.read, form.measure
    number = 0
    for number, (line, raw) in enumerate(rows_of(path, on_progress), 1):
        try:
            row = read(raw)
        except ROW_ERRORS as error:
            problems.add(line, number, explain(error, raw))
            continue
        measure(row, len(raw), tally)
        if len(preview) < PREVIEWED:
            preview.append(form.plain(row))
    return Reading(shape, number, problems, tally, tuple(preview))


def good_rows(path: Path, format: str, conversational: bool) -> Iterator[dict[str, Any]]:
    """The rows that `read_file` counts as good, with the trained columns only.

    Rows of unknown format come as they are: no column of theirs is trained.
    """
    form = row_format(format, conversational=conversational)
    for _, raw in rows_of(path):
        try:
            row = form.read(raw)
        except ROW_ERRORS:
            continue
        yield form.plain(row)
