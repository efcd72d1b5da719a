"""One row a line: JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from io import BufferedReader, RawIOBase
from typing import Any

from .problems import Damaged
from .rows import CHUNK, MAX_ROW_BYTES, TOO_LONG, Row
from .strange_numbers import MARKS, without_strange_numbers

_NAN, _INFINITY = MARKS


def line_rows(chunks: Iterable[bytes], line: int = 1, *, as_written: bool = False) -> Iterator[Row]:
    """Every line that is not blank, the first of which is called `line`. `as_written` as in `rows_of`."""
    readline = _readline(chunks)
    number = line - 1
    try:
        for number, raw in enumerate(iter(partial(readline, MAX_ROW_BYTES), b""), line):
            if len(raw) == MAX_ROW_BYTES and not raw.endswith(b"\n"):
                _skip_line(readline)
                yield number, TOO_LONG
            elif raw.isspace():
                continue
            elif as_written or not (_NAN in raw or _INFINITY in raw):
                yield number, raw
            else:
                yield number, without_strange_numbers(raw)
    except Damaged as damage:
        yield number + 1, damage.row


def lines_of(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Every line with its number and its end; None stands for one that is too long."""
    readline = _readline(chunks)
    for number, raw in enumerate(iter(partial(readline, MAX_ROW_BYTES), b""), 1):
        if len(raw) == MAX_ROW_BYTES and not raw.endswith(b"\n"):
            _skip_line(readline)
            yield number, None
        else:
            yield number, raw


class _Joined(RawIOBase):
    """Chunks as a file. Its lines come faster than by splitting chunks, which makes many objects at once."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _readline(chunks: Iterable[bytes]) -> Any:
    return BufferedReader(_Joined(chunks), CHUNK).readline


def _skip_line(readline: Any) -> None:
    for rest in iter(partial(readline, MAX_ROW_BYTES), b""):
        if rest.endswith(b"\n"):
            return
