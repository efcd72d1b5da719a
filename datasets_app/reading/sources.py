"""Cuts a file into rows without ever holding more than one of them: JSON lines, or one JSON list.

Both give `(line, raw)`: the line on which the row begins, counted from 1, and its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from io import SEEK_CUR, BufferedReader, FileIO
from pathlib import Path
from typing import Any, TypeAlias

from .problems import Unread

CHUNK = 256 * 1024
MAX_ROW_BYTES = 4 * 1024 * 1024
"""About a million tokens. Longer rows are counted as bad and skipped, so that memory stays bounded."""

BOM = b"\xef\xbb\xbf"
TOO_LONG = Unread.because(
    "too-long", f"The row is longer than {MAX_ROW_BYTES // 2**20} MB and was not read. Split it into several rows."
)
CUT_OFF = Unread.because("cut-off", "The file ends before its list is closed. Export or upload it again.")

Row = tuple[int, bytes]


def rows_of(path: Path, on_progress: Callable[[int], None] | None = None) -> Iterator[Row]:
    """Every row of the file. `on_progress` hears the number of bytes read so far."""
    with BufferedReader(_Watched(path, on_progress), CHUNK) as file:
        if file.peek(len(BOM)).startswith(BOM):
            file.read(len(BOM))
        line = 1
        if blank := _blank_before_list(file):
            line += file.read(len(blank)).count(b"\n")
            line = yield from _list_rows(file, line)
        yield from _line_rows(file, line)


class _Watched(FileIO):
    """A file that tells how far it has been read, at every refill of the buffer above it."""

    def __init__(self, path: Path, on_progress: Callable[[int], None] | None) -> None:
        super().__init__(path)
        self._on_progress = on_progress

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        if self._on_progress:
            self._on_progress(self.tell())
        return count


File: TypeAlias = "BufferedReader[_Watched]"


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


def _list_rows(file: File, line: int) -> Generator[Row, None, int]:
    """The elements of a JSON list whose opening bracket was read. Returns the line on which it ends."""
    cutter = _ListCutter(line)
    while not cutter.closed:
        data = file.read(CHUNK)
        if not data:
            yield cutter.line, CUT_OFF
            return cutter.line
        yield from cutter.feed(data)
    file.seek(-len(cutter.buffer), SEEK_CUR)
    return cutter.line


# A string is one token, since brackets in it mean nothing; a quote alone opens a string that goes on in the
# next chunk. The possessive quantifiers keep broken input from making the search slow.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.DOTALL)
_STRING_BODY = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_QUOTE, _COMMA, _END = b'",]'
_OPEN, _CLOSE = b"[{", b"]}"


@dataclass
class _ListCutter:
    """Finds where the elements of a JSON list end, without decoding them."""

    line: int
    """The line of the first byte in `buffer`."""
    buffer: bytes = b""
    position: int = 0
    depth: int = 0
    in_string: bool = False
    skipping: bool = False
    closed: bool = False

    def feed(self, data: bytes) -> Iterator[Row]:
        """The elements that end within `data`. What follows the list stays in `buffer` once it is `closed`."""
        self.buffer += data
        start = 0
        for at in self._marks():
            mark = self.buffer[at]
            if mark in _OPEN:
                self.depth += 1
            elif self.depth and mark in _CLOSE:
                self.depth -= 1
            elif not self.depth and mark in (_COMMA, _END):
                yield from self._row(start, at)
                start = at + 1
                if mark == _END:
                    self.closed = True
                    break
        self._keep_from(start)

    def _marks(self) -> Iterator[int]:
        """Where brackets and commas stand outside strings."""
        if self.in_string and not self._leave_string():
            return
        for token in _TOKEN.finditer(self.buffer, self.position):
            at, self.position = token.span()
            if self.buffer[at] != _QUOTE:
                yield at
            elif self.position - at == 1:
                self._leave_string()
                return
        self.position = len(self.buffer)

    def _leave_string(self) -> bool:
        """Go on to the end of the string; False when it lies beyond the buffer."""
        body = _STRING_BODY.match(self.buffer, self.position)
        self.position = body.end() if body else self.position
        self.in_string = self.buffer[self.position : self.position + 1] != b'"'
        if not self.in_string:
            self.position += 1
        return not self.in_string

    def _row(self, start: int, end: int) -> Iterator[Row]:
        raw = self.buffer[start:end]
        row = raw.lstrip()
        if self.skipping:
            yield self.line, TOO_LONG
            self.skipping = False
        elif row:
            yield self.line + raw.count(b"\n", 0, len(raw) - len(row)), row
        self.line += raw.count(b"\n")

    def _keep_from(self, start: int) -> None:
        """Drop what was handed out, and the beginning of a row that grows too long."""
        self.skipping = self.skipping or len(self.buffer) - start > MAX_ROW_BYTES
        if self.skipping and not self.closed:
            self.line += self.buffer.count(b"\n", start, self.position)
            start = self.position
        self.buffer = self.buffer[start:]
        self.position -= start
