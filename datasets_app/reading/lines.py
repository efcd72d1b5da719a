"""One row a line: JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .problems import Damaged
from .rows import MAX_ROW_BYTES, TOO_LONG, Row
from .strange_numbers import MARKS, without_strange_numbers


def line_rows(chunks: Iterable[bytes], line: int = 1) -> Iterator[Row]:
    """Every line that is not blank, the first of which is called `line`."""
    try:
        for lines in _whole_lines(chunks):
            if lines is None:
                yield line, TOO_LONG
                line += 1
                continue
            strange = any(mark in lines for mark in MARKS)  # looked for once in many rows, since it costs time
            for raw in lines.split(b"\n"):
                if raw and not raw.isspace():
                    yield line, without_strange_numbers(raw) if strange else raw
                line += 1
    except Damaged as damage:
        yield line, damage.row


def lines_of(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Every line with its number and its end; None stands for one that is too long."""
    number = 1
    for lines in _whole_lines(chunks):
        for raw in [None] if lines is None else lines.split(b"\n"):
            yield number, None if raw is None else raw + b"\n"
            number += 1


def _whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes | None]:
    """Lines, many at a time, without the end of the last; None stands for a line that is too long to be held."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        end = chunk.rfind(b"\n")
        if end < 0:
            size += len(chunk)
            held = [*held, chunk] if size <= MAX_ROW_BYTES else []
            continue
        begin = 0
        if size and size + (first := chunk.find(b"\n")) > MAX_ROW_BYTES:
            yield None
            held, begin = [], first + 1
        if begin <= end:
            yield b"".join([*held, chunk[begin:end]])
        held = [chunk[end + 1 :]]
        size = len(held[0])
    if size:
        yield b"".join(held) if size <= MAX_ROW_BYTES else None
