"""Reads a dataset file: what it holds, how much of it is good, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .detect import Shape, detect
from .formats.base import RowFormat
from .layouts import Kind, row_layout
from .layouts.mixture import Mixture
from .problems import ROW_ERRORS, BadRow, Problems
from .rows import Row
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
    mixture: list[dict[str, Any]] = field(default_factory=list)
    """Each layout with its rows and first lines, where there are several."""
    renamed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """How often each role was written in other words: (as in the file, as it is trained)."""

    @property
    def bad_rows(self) -> int:
        return self.problems.total

    @property
    def stats(self) -> dict[str, Any]:
        renamed = [{"from": old, "to": new, "turns": turns} for (old, new), turns in self.renamed.items()]
        counts = {"bad_rows_by_code": dict(self.problems.counts.most_common()), "renamed_roles": renamed}
        return self.tally.as_dict() | counts


def read_file(path: Path, on_progress: Callable[[int], None] | None = None) -> Reading:
    """Read the whole file, in bounded memory. `on_progress` hears the number of bytes read so far."""
    shape = detect(rows_of(path))
    form = row_layout(*shape.kind)
    mixture = Mixture(shape.kind, form)
    problems, tally, preview = Problems(), Tally(), list[dict[str, Any]]()
    read, measure = form.read, form.measure
    number = 0
    for number, (line, raw) in enumerate(rows_of(path, on_progress, as_written=True), 1):
        try:
            row = read(raw)
        except ROW_ERRORS as error:
            row = mixture.read(line, raw, error)
            if isinstance(row, BadRow):
                problems.add(line, number, row)
                continue
        measure(row, len(raw), tally)
        if len(preview) < PREVIEWED:
            preview.append(form.plain(row))
            mixture.note_good(line)
    return Reading(shape, number, problems, tally, tuple(preview), mixture.as_list(tally.rows), mixture.renamed)


def good_rows(path: Path, format: str, conversational: bool, layout: str = "") -> Iterator[dict[str, Any]]:
    """The rows that `read_file` counts as good, with the trained columns only.

    Rows of unknown format come as they are: no column of theirs is trained.
    """
    return (row for _, row in located_rows(path, format, conversational, layout))


def located_rows(
    path: Path, format: str, conversational: bool, layout: str = ""
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The good rows, each with the line on which it begins."""
    kind = Kind(layout or format, format, conversational)
    form = row_layout(*kind)
    return ((line, form.plain(row)) for line, _, row in usable(rows_of(path, as_written=True), kind, form))


def usable(rows: Iterable[Row], kind: Kind, form: RowFormat[Any]) -> Iterator[tuple[int, bytes, Any]]:
    """The line, the bytes and the content of each good row."""
    mixture = Mixture(kind, form)
    read = form.read
    for line, raw in rows:
        try:
            row = read(raw)
        except ROW_ERRORS as error:
            row = mixture.read(line, raw, error)
            if isinstance(row, BadRow):
                continue
        yield line, raw, row
