"""Cuts a file into rows without ever holding more than a few of them, whatever kind of file it is."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import chain
from pathlib import Path
from typing import TypeVar

from .columns import column_rows
from .containers import Container, container_of
from .lines import line_rows
from .lists import list_rows
from .rows import Progress, Row
from .strange_numbers import without_strange_numbers
from .tables import table_rows

Result = TypeVar("Result")


def rows_of(path: Path, on_progress: Progress | None = None, *, as_written: bool = False) -> Iterator[Row]:
    """Every row of the file as a JSON object. `on_progress` hears the number of bytes read so far.

    `as_written` leaves it to the caller to look for NaN and Infinity in rows that cannot be decoded, as `Mixture`
    does: to look for them in all rows takes as long as to decode them.
    Raises Unreadable when the file, or what is left of it, cannot be read as rows at all.
    """
    return rows_in(path, container_of(path), on_progress, as_written=as_written)


def rows_in(
    path: Path, container: Container, on_progress: Progress | None = None, *, as_written: bool = False
) -> Iterator[Row]:
    """The rows of a file that was looked at before."""
    if container.kind == "parquet":
        from .parquet import parquet_rows  # as in `container_of`

        return parquet_rows(path, on_progress)
    if container.dialect:
        return table_rows(container.text(path, on_progress), container.dialect)
    if container.starts:
        starts = container.starts
        columns = column_rows(lambda number: container.text(path, None if number else on_progress), starts)
        return _with_numbers(columns)
    if container.kind == "json":
        return _list_and_lines(container.text(path, on_progress))
    return line_rows(container.text(path, on_progress), as_written=as_written)


def _list_and_lines(chunks: Iterator[bytes]) -> Iterator[Row]:
    """The elements of a list, and whatever stands behind it."""
    line, begin = _list_begins(chunks)
    line, rest = yield from _with_numbers(list_rows(chain([begin], chunks), line))
    yield from line_rows(chain([rest], chunks), line)


def _list_begins(chunks: Iterator[bytes]) -> tuple[int, bytes]:
    """The line of the opening bracket, and what follows it."""
    line = 1
    for chunk in chunks:
        blank, bracket, rest = chunk.partition(b"[")
        line += blank.count(b"\n")
        if bracket:
            return line, rest
    return line, b""


def _with_numbers(rows: Generator[Row, None, Result]) -> Generator[Row, None, Result]:
    """The rows without NaN and Infinity where these are not trained."""
    while True:
        try:
            line, raw = next(rows)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield line, without_strange_numbers(raw)
