"""Where rows begin in a file, every so many rows, so that any of them is found without reading all before it.

Only files of plain JSON lines have such places. Others are read from their beginning.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from codecs import BOM_UTF8
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from .reading.containers import container_of
from .reading.encodings import UTF_8
from .reading.lines import line_rows
from .reading.rows import CHUNK, MAX_ROW_BYTES, Row
from .reading.sources import rows_of
from .side_files import INDEX, side_file, write_side_file

STRIDE = 256
"""Rows between two places: reading so many takes less time than the rest of a page, and 4 bytes a row are kept."""

Numbered = tuple[int, int, bytes]
"""Which row it is, counted from 1, the line on which it begins, and its bytes."""


class RowIndex:
    """The places of a file: offset and line of its rows 0, 256, 512, …"""

    def __init__(self, offsets: array[int], lines: array[int]) -> None:
        self.offsets, self.lines = offsets, lines

    @classmethod
    def of(cls, path: Path) -> RowIndex | None:
        """Read through a file and note its places; None where it has none."""
        container = container_of(path)
        plain = container.kind == "jsonl" and not container.compression and container.encoding == UTF_8
        return cls._scan(path) if plain and not container.old_mac else None

    @classmethod
    def _scan(cls, path: Path) -> RowIndex:
        offsets, lines = array("Q"), array("Q")
        row = line = 0
        goes_on = False
        with path.open("rb", CHUNK) as file:
            if file.read(len(BOM_UTF8)) != BOM_UTF8:
                file.seek(0)
            offset = file.tell()
            while part := file.readline(MAX_ROW_BYTES):
                if not goes_on:
                    line += 1
                    if not part.isspace():
                        if not row % STRIDE:
                            offsets.append(offset)
                            lines.append(line)
                        row += 1
                offset += len(part)
                goes_on = not part.endswith(b"\n")
        return cls(offsets, lines)

    def save(self, path: Path) -> None:
        """Keep it beside the file at `path`."""
        write_side_file(path, INDEX, (self.offsets.tobytes(), self.lines.tobytes()))

    @classmethod
    def load(cls, path: Path) -> RowIndex | None:
        """The one that was kept beside the file at `path`."""
        kept = side_file(path, INDEX)
        if kept is None:
            return None
        both = array("Q", kept.read_bytes())
        return cls(both[: len(both) // 2], both[len(both) // 2 :])

    def place(self, row: int) -> tuple[int, int, int]:
        """The nearest place before a row, counted from 0: which row it is, its offset and its line."""
        if not self.offsets:
            return 0, 0, 1
        at = min(row // STRIDE, len(self.offsets) - 1)
        return at * STRIDE, self.offsets[at], self.lines[at]

    def row_before(self, line: int) -> int:
        """A row, counted from 0, that begins on the line or before it, at most one stride away."""
        return max(0, bisect_right(self.lines, line) - 1) * STRIDE


def rows_from(path: Path, index: RowIndex | None, first: int) -> Iterator[Numbered]:
    """The rows of a file from `first` on, counted from 0."""
    if index is None:
        rows, begin = rows_of(path), 0
    else:
        begin, offset, line = index.place(first)
        rows = _rows_at(path, offset, line)
    for number, (line, raw) in enumerate(islice(rows, first - begin, None), first + 1):
        yield number, line, raw


def _rows_at(path: Path, offset: int, line: int) -> Iterator[Row]:
    def chunks() -> Iterator[bytes]:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            while chunk := file.read(CHUNK):
                yield chunk

    return line_rows(chunks(), line)
