"""A JSON object of lists, one list a column: the same rows standing on their side."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain, zip_longest

from .lists import CLOSE, COMMA, OPEN, Marks, list_rows
from .problems import Damaged, Unread
from .rows import MAX_ROW_BYTES, TOO_LONG, Row

MOST_COLUMNS = 32
LONGEST_NAME = 1024
_NAME = re.compile(rb'("(?:[^"\\]|\\.)*")\s*:\s*\Z', re.DOTALL)

Starts = dict[bytes, int]
"""The name of each column as it stands in the file, and the offset behind the bracket of its list."""


def column_starts(chunks: Iterator[bytes]) -> Starts | None:
    """Where the columns begin, or None when the text is not one object of lists.

    One row of a file of JSON lines looks alike when its values are lists; but there more rows follow, or the
    lists hold objects, as conversations do.
    """
    starts: Starts = {}
    depth = commas = 0
    places = _Places(chunks)
    try:
        for offset, mark, before in places:
            depth += (mark in OPEN) - (mark in CLOSE)
            commas += mark == COMMA and depth == 1
            if mark in OPEN and depth == 2 and (name := _NAME.search(before)):
                starts[name[1]] = offset + 1
            if not depth:
                return starts if len(starts) == commas + 1 and places.only_blanks_follow() else None
            if commas > len(starts) or len(starts) > MOST_COLUMNS or (mark == _BRACE and depth in (2, 3)):
                return None
    except Damaged:
        pass
    return None


_BRACE = ord("{")


class _Places:
    """Every bracket and comma outside strings: its offset, itself, and what stands before it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._marks = Marks()
        self._at = 0

    def __iter__(self) -> Iterator[tuple[int, int, bytes]]:
        offset = 0
        for data in self._chunks:
            for at in self._marks.feed(data):
                self._at = at
                yield offset + at, self._marks.buffer[at], self._marks.buffer[max(0, at - LONGEST_NAME) : at]
            done = max(0, self._marks.searched - LONGEST_NAME)
            self._marks.forget(done)
            offset += done

    def only_blanks_follow(self) -> bool:
        return all(not data.strip() for data in chain([self._marks.buffer[self._at + 1 :]], self._chunks))


def column_rows(read: Callable[[int], Iterator[bytes]], starts: Starts) -> Generator[Row, None, None]:
    """One row for each element of the longest column. `read` gives the whole text anew for each column."""
    columns = [list_rows(*_from(read(number), start)) for number, start in enumerate(starts.values())]
    for cells in zip_longest(*columns):
        yield _row(starts, cells)


def _from(chunks: Iterator[bytes], offset: int) -> tuple[Iterator[bytes], int]:
    """The text from an offset on, and the line on which that stands."""
    line = 1
    for data in chunks:
        line += data.count(b"\n", 0, offset)
        if offset < len(data):
            return chain([data[offset:]], chunks), line
        offset -= len(data)
    return iter(()), line


def _row(names: Iterable[bytes], cells: Iterable[Row | None]) -> Row:
    """The cells of one row as an object. Columns that have ended leave theirs out."""
    filled = [(name, *cell) for name, cell in zip(names, cells, strict=True) if cell]
    line = filled[0][1]
    unread = next((raw for _, _, raw in filled if isinstance(raw, Unread)), None)
    if unread is not None:
        return line, unread
    raw = b"{" + b", ".join(name + b": " + raw for name, _, raw in filled) + b"}"
    return line, TOO_LONG if len(raw) > MAX_ROW_BYTES else raw
