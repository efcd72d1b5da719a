"""What a file is cut into, and how much of it is held at a time."""

from __future__ import annotations

from collections.abc import Callable
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any, TypeAlias

from .problems import Unread

CHUNK = 256 * 1024
MAX_ROW_BYTES = 4 * 1024 * 1024
"""About a million tokens. Longer rows are counted as bad and skipped, so that memory stays bounded."""

TOO_LONG = Unread.because(
    "too-long", f"The row is longer than {MAX_ROW_BYTES // 2**20} MB and was not read. Split it into several rows."
)
CUT_OFF = Unread.because("cut-off", "The file ends before its list is closed. Export or upload it again.")

Row = tuple[int, bytes]
"""The line on which a row begins, counted from 1, and its bytes."""

Progress = Callable[[int], None]


class WatchedFile(FileIO):
    """A file that tells how far it has been read, at every refill of the buffer above it."""

    def __init__(self, path: Path, on_progress: Progress | None) -> None:
        super().__init__(path)
        self._on_progress = on_progress

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        if self._on_progress:
            self._on_progress(self.tell())
        return count


File: TypeAlias = "BufferedReader[WatchedFile]"


def open_rows(path: Path, on_progress: Progress | None = None) -> File:
    return BufferedReader(WatchedFile(path, on_progress), CHUNK)
