"""events.jsonl: the trainer's only voice while it runs, one JSON object a line."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.rulebook import Finding

from . import together
from .folder import EVENTS_FILE, RANKS

logger = logging.getLogger(__name__)


class Events:
    """Appends events. A line is one write, so a reader never sees half of one but the last.

    Of several processes only the first is heard. What one fails of it says in a file of its own: another one's end may
    be the reason, and whoever started them tells which came first.
    """

    def __init__(self, path: Path, failures: Path | None = None) -> None:
        self._file = _appending(path)
        self._failures = _appending(failures) if failures else self._file

    @classmethod
    def of(cls, run_dir: Path) -> Events:
        """Those of this process in the folder of its run."""
        own = run_dir / RANKS / f"{together.rank()}.jsonl"
        if not together.is_first():
            return cls(own)
        return cls(run_dir / EVENTS_FILE, own if together.number() > 1 else None)

    def write(self, event: str, **fields: Any) -> None:
        self._write(self._file, event, fields)

    def _write(self, file: int, event: str, fields: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        values = {name: _writable(value) for name, value in fields.items()}
        line = json.dumps({"at": now, "event": event, **values}, ensure_ascii=False, allow_nan=False)
        os.write(file, line.encode() + b"\n")
        logger.info("%s %s", event, " ".join(f"{name}={value}" for name, value in values.items()))

    def stage(self, stage: str, text: str) -> None:
        """Say what is being done now: loading, preparing, training, evaluating or saving."""
        self.write("stage", stage=stage, text=text)

    def findings(self, findings: Iterable[Finding]) -> None:
        self.write("findings", findings=[finding.as_dict() for finding in findings])

    def failed(self, finding: Finding, reference: str | None) -> None:
        self._write(self._failures, "failed", {"finding": finding.as_dict(), "reference": reference})


def _appending(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def _writable(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
