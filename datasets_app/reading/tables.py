"""The rows of a table as JSON objects, each with the line of the file on which it begins."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from .dialects import Dialect, holds_turns
from .lines import lines_of
from .problems import Damaged, Unread
from .rows import MAX_ROW_BYTES, TOO_LONG, Row

csv.field_size_limit(2 * MAX_ROW_BYTES)  # Python's own 131,072 is less than a long text; rows end sooner here
NOT_UTF_8 = Unread.because("not-utf-8", "The row holds bytes that are not text in the encoding of this file.")
_encode = msgspec.json.encode


def table_rows(chunks: Iterable[bytes], dialect: Dialect) -> Iterator[Row]:
    """Every record below the line with the names."""
    lines = _Lines(chunks)
    reader = dialect.reader(lines)
    to_json = _json_of(dialect)
    seen_names = False
    while True:
        lines.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _TooLong) as error:
            yield lines.first, lines.bad_row(error)
        except Damaged as damage:
            yield lines.first, damage.row
            return
        else:
            if cells and seen_names:
                yield lines.first, to_json(cells)
            seen_names = seen_names or bool(cells)


def _json_of(dialect: Dialect) -> Callable[[list[str]], bytes]:
    """Turns the cells of a record into an object. Every cell is text, whatever it looks like."""
    names, width, json_columns = dialect.columns, len(dialect.columns), dialect.json_columns

    def to_json(cells: list[str]) -> bytes:
        if len(cells) != width:
            return _ragged(len(cells), width)
        row: dict[str, Any] = dict(zip(names, cells, strict=True))
        try:
            for name in json_columns:
                if holds_turns(row[name]):
                    row[name] = msgspec.Raw(row[name].encode())
            return _encode(row)
        except UnicodeEncodeError:
            return NOT_UTF_8

    return to_json


def _ragged(cells: int, columns: int) -> Unread:
    return Unread.because(
        "ragged",
        f"The row has {_number(cells, 'cell')}, but there are {_number(columns, 'column')}. A cell with a delimiter or "
        "a line break in it must stand in quotes.",
    )


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


class _TooLong(Exception):
    """The row has grown longer than rows may be."""


class _Lines:
    """Hands lines to the reader of a table and can take them back.

    A quote that is never closed would swallow all that follows. Where one does, its line alone becomes a bad row,
    and the lines after it are read again. `_spared` keeps that linear in the size of the file: what was read again
    is never much more than what was read.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._lines = lines_of(chunks)
        self._again: deque[_Line] = deque()
        self._taken: list[_Line] = []
        self._size = 0
        self._spared = 4 * MAX_ROW_BYTES
        self.first = 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        if not self._taken:
            self.first = line[0]
        self._taken.append(line)
        raw = line[1]
        if raw is None:
            raise _TooLong
        self._size += len(raw)
        if self._size > MAX_ROW_BYTES:
            raise _TooLong
        return raw.decode("utf-8", "surrogateescape")

    def begin_row(self) -> None:
        self._spared += self._size
        self._taken = []
        self._size = 0

    def bad_row(self, error: Exception) -> Unread:
        """What is wrong with the lines that were taken since the row began."""
        is_open = isinstance(error, _TooLong) or "end of data" in str(error)
        if is_open and len(self._taken) > 1:
            return self._never_closed()
        if isinstance(error, _TooLong):
            return TOO_LONG
        if is_open:
            return Unread.because("open-quote", _OPEN)
        last = self._taken[-1][0]
        where = "this row" if last == self.first else f"lines {self.first}–{last}, which are taken as one row,"
        return Unread.because(
            "open-quote", f"A cell of {where} goes on behind its closing quote. Write quotes inside cells twice."
        )

    def _never_closed(self) -> Unread:
        if self._size <= self._spared:
            self._spared -= self._size + min(self._size, MAX_ROW_BYTES)
            self._again.extendleft(reversed(self._taken[1:]))
            return Unread.because("open-quote", _OPEN)
        last = self._taken[-1][0]
        return Unread.because("open-quote", f"{_OPEN} Lines {self.first}–{last} were skipped.")


_Line = tuple[int, bytes | None]
_OPEN = "A quote opens in this row and is never closed. Close it, or write quotes inside cells twice."
