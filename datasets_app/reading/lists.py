"""Cuts a JSON list into its elements without decoding them, so that a broken one does not hide the others."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from .problems import Damaged
from .rows import CUT_OFF, MAX_ROW_BYTES, TOO_LONG, Row


def list_rows(chunks: Iterator[bytes], line: int) -> Generator[Row, None, tuple[int, bytes]]:
    """The elements of a list whose opening bracket was read. Returns the line on which it ends, and what follows it
    in the chunk that was read last.
    """
    cutter = _ListCutter(line)
    try:
        for data in chunks:
            yield from cutter.feed(data)
            if cutter.closed:
                return cutter.line, cutter.buffer
        yield cutter.row_line, CUT_OFF
    except Damaged as damage:
        yield cutter.row_line, damage.row
    return cutter.line, b""


# A string is one token, since brackets in it mean nothing; a quote alone opens a string that goes on in the
# next chunk. The possessive quantifiers keep broken input from making the search slow.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.DOTALL)
_STRING_BODY = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_QUOTE, COMMA, END = b'",]'
OPEN, CLOSE = b"[{", b"]}"


class Marks:
    """Finds brackets and commas outside strings in a text that comes in pieces."""

    def __init__(self) -> None:
        self.buffer = b""
        self._position = 0
        self._in_string = False

    def feed(self, data: bytes) -> Iterator[int]:
        """Where marks stand in `buffer`, which has grown by `data`."""
        self.buffer += data
        if self._in_string and not self._leave_string():
            return
        for token in _TOKEN.finditer(self.buffer, self._position):
            at, self._position = token.span()
            if self.buffer[at] != _QUOTE:
                yield at
            elif self._position - at == 1:
                self._leave_string()
                return
        self._position = len(self.buffer)

    def forget(self, count: int) -> None:
        """Drop so many bytes from the beginning of the buffer, at most up to where the search has come."""
        self.buffer = self.buffer[count:]
        self._position -= count

    @property
    def searched(self) -> int:
        """How much of the buffer holds no mark that was not handed out."""
        return self._position

    def _leave_string(self) -> bool:
        """Go on to the end of the string; False when it lies beyond the buffer."""
        body = _STRING_BODY.match(self.buffer, self._position)
        self._position = body.end() if body else self._position
        self._in_string = self.buffer[self._position : self._position + 1] != b'"'
        if not self._in_string:
            self._position += 1
        return not self._in_string


class _ListCutter:
    """Knows where the elements of one list end."""

    def __init__(self, line: int) -> None:
        self.line = line  # that of the first byte in the buffer
        self.closed = False
        self._marks = Marks()
        self._depth = 0
        self._skipping = False

    @property
    def buffer(self) -> bytes:
        """What was not handed out yet; once the list is closed, what follows it."""
        return self._marks.buffer

    @property
    def row_line(self) -> int:
        """The line on which the row begins that has not ended yet."""
        blanks = len(self.buffer) - len(self.buffer.lstrip())
        return self.line + self.buffer.count(b"\n", 0, blanks)

    def feed(self, data: bytes) -> Iterator[Row]:
        """The elements that end within `data`."""
        start = 0
        for at in self._marks.feed(data):
            mark = self.buffer[at]
            if mark in OPEN:
                self._depth += 1
            elif self._depth and mark in CLOSE:
                self._depth -= 1
            elif not self._depth and mark in (COMMA, END):
                yield from self._row(start, at)
                start = at + 1
                if mark == END:
                    self.closed = True
                    break
        self._keep_from(start)

    def _row(self, start: int, end: int) -> Iterator[Row]:
        raw = self.buffer[start:end]
        row = raw.lstrip()
        if self._skipping:
            yield self.line, TOO_LONG
            self._skipping = False
        elif row or self.buffer[end] == COMMA:  # two commas in a row hold a broken element, not none
            yield self.line + raw.count(b"\n", 0, len(raw) - len(row)), row
        self.line += raw.count(b"\n")

    def _keep_from(self, start: int) -> None:
        """Drop what was handed out, and the beginning of a row that grows too long."""
        self._skipping = not self.closed and (self._skipping or len(self.buffer) - start > MAX_ROW_BYTES)
        if self._skipping:
            self.line += self.buffer.count(b"\n", start, self._marks.searched)
            start = self._marks.searched
        self._marks.forget(start)
