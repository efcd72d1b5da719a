"""One file of JSON lines for each run: what was done with it and by whom, for whoever must find out later."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


class Journal:
    """`Journal(folder / "journal.jsonl").note("claimed", attempt=2, slots=[0])`; several processes may write to one.

    A line is one write at the end of the file, so lines of two processes do not mix. A journal that cannot be
    written, on a full disk for instance, never stops what it tells of.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, event: str, /, **values: Any) -> None:
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": event,
            "pid": os.getpid(),
            **values,
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                file.write(json.dumps(line, ensure_ascii=False, default=str).encode() + b"\n")
        except OSError as error:
            logger.warning("%s cannot be written: %s", self.path, error.strerror)

    def lines(self) -> list[dict[str, Any]]:
        """What was noted so far; a line that a full disk has torn is left out."""
        try:
            written = self.path.read_bytes().splitlines()
        except OSError:
            return []
        return [read for line in written if (read := _read(line)) is not None]


def _read(line: bytes) -> dict[str, Any] | None:
    try:
        read = json.loads(line)
    except ValueError:
        return None
    return read if isinstance(read, dict) else None
