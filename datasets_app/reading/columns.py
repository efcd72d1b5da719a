"""A JSON object of lists, one list a column: the same rows standing on their side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path

from .lists import CLOSE, COMMA, OPEN, Marks, list_rows
from .problems import Unread
from .rows import CHUNK, MAX_ROW_BYTES, TOO_LONG, File, Progress, Row, open_rows

MOST_COLUMNS = 32
LONGEST_NAME = 1024
_NAME = re.compile(rb'("(?:[^"\\]|\\.)*")\s*:\s*\Z', re.DOTALL)

Starts = dict[bytes, int]
"""The name of each column as it stands in the file, and the offset behind the bracket of its list."""


def column_starts(file: File) -> Starts | None:
    """Where the columns begin, or None when the file is not one object of lists.

    One row of a file of JSON lines looks alike when its values are lists; but there more rows follow, or the
    lists hold objects, as conversations do.
    """
    if not _BEGIN.match(file.peek(CHUNK)):
        return None
    starts: Starts = {}
    depth = commas = 0
    for offset, mark, before in _marks(file):
        depth += (mark in OPEN) - (mark in CLOSE)
        commas += mark == COMMA and depth == 1
        if mark in OPEN and depth == 2 and (name := _NAME.search(before)):
            starts[name[1]] = offset + 1
        if not depth:
            return starts if len(starts) == commas + 1 and _ends_after(file, offset) else None
        if commas > len(starts) or len(starts) > MOST_COLUMNS or (mark == _BRACE and depth in (2, 3)):
            return None
    return None


_BEGIN = re.compile(rb'\s*\{\s*"')
_BRACE = ord("{")


def _marks(file: File) -> Iterator[tuple[int, int, bytes]]:
    """Every bracket and comma outside strings: its offset, itself, and what stands before it."""
    marks, offset = Marks(), file.tell()
    while data := file.read(CHUNK):
        for at in marks.feed(data):
            yield offset + at, marks.buffer[at], marks.buffer[max(0, at - LONGEST_NAME) : at]
        done = max(0, marks.searched - LONGEST_NAME)
        marks.forget(done)
        offset += done


def _ends_after(file: File, offset: int) -> bool:
    file.seek(offset + 1)
    return all(data.isspace() for data in iter(lambda: file.read(CHUNK), b""))


def column_rows(path: Path, starts: Starts, on_progress: Progress | None = None) -> Iterator[Row]:
    """One row for each element of the longest column. Every column is read through a file of its own."""
    with ExitStack() as opened:
        columns = []
        for number, start in enumerate(starts.values()):
            file = opened.enter_context(open_rows(path, None if number else on_progress))
            columns.append(list_rows(file, _skip_to(file, start)))
        for cells in zip_longest(*columns):
            yield _row(starts, cells)


def _skip_to(file: File, offset: int) -> int:
    """Read up to the offset. Returns the line it stands on."""
    line = 1
    while left := offset - file.tell():
        line += file.read(min(left, CHUNK)).count(b"\n")
    return line


def _row(names: Iterable[bytes], cells: Iterable[Row | None]) -> Row:
    """The cells of one row as an object. Columns that have ended leave theirs out."""
    filled = [(name, *cell) for name, cell in zip(names, cells, strict=True) if cell]
    line = filled[0][1]
    unread = next((raw for _, _, raw in filled if isinstance(raw, Unread)), None)
    if unread is not None:
        return line, unread
    raw = b"{" + b", ".join(name + b": " + raw for name, _, raw in filled) + b"}"
    return line, TOO_LONG if len(raw) > MAX_ROW_BYTES else raw
