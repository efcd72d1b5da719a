"""Cuts a file into rows without ever holding more than one of them.

Three kinds of file are read: JSON lines, one JSON list of objects, and one JSON object of lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .columns import column_rows, column_starts
from .lists import list_rows
from .rows import CHUNK, MAX_ROW_BYTES, TOO_LONG, File, Progress, Row, open_rows
from .strange_numbers import without_strange_numbers

BOM = b"\xef\xbb\xbf"


def rows_of(path: Path, on_progress: Progress | None = None) -> Iterator[Row]:
    """Every row of the file. `on_progress` hears the number of bytes read so far."""
    for line, raw in _cut(path, on_progress):
        yield line, without_strange_numbers(raw)


def _cut(path: Path, on_progress: Progress | None) -> Iterator[Row]:
    if starts := _columns(path):
        yield from column_rows(path, starts, on_progress)
        return
    with open_rows(path, on_progress) as file:
        _skip_bom(file)
        line = 1
        if blank := _blank_before_list(file):
            line += file.read(len(blank)).count(b"\n")
            line = yield from list_rows(file, line)
        yield from _line_rows(file, line)


def _columns(path: Path) -> dict[bytes, int] | None:
    with open_rows(path) as file:
        _skip_bom(file)
        return column_starts(file)


def _skip_bom(file: File) -> None:
    if file.peek(len(BOM)).startswith(BOM):
        file.read(len(BOM))


def _blank_before_list(file: File) -> bytes:
    """What stands before a list up to and with its bracket; empty when the file does not begin with a list."""
    begins = re.match(rb"\s*\[", file.peek(CHUNK))
    return begins[0] if begins else b""


def _line_rows(file: File, line: int) -> Iterator[Row]:
    """One row a line. Blank lines are no rows."""
    for number, raw in enumerate(iter(partial(file.readline, MAX_ROW_BYTES), b""), line):
        if len(raw) == MAX_ROW_BYTES and not raw.endswith(b"\n"):
            _skip_line(file)
            yield number, TOO_LONG
        elif not raw.isspace():
            yield number, raw


def _skip_line(file: File) -> None:
    for rest in iter(partial(file.readline, MAX_ROW_BYTES), b""):
        if rest.endswith(b"\n"):
            return
