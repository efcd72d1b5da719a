"""What a file is cut into, and how much of it is held at a time."""

from __future__ import annotations

from collections.abc import Callable

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
