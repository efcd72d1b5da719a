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

logger = logging.getLogger(__name__)


class Events:
    """Appends events. A line is one write, so a reader never sees half of one but the last."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, event: str, **fields: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        values = {name: _writable(value) for name, value in fields.items()}
        line = json.dumps({"at": now, "event": event, **values}, ensure_ascii=False, allow_nan=False)
        os.write(self._file, line.encode() + b"\n")
        logger.info("%s %s", event, " ".join(f"{name}={value}" for name, value in values.items()))

    def stage(self, stage: str, text: str) -> None:
        """Say what is being done now: loading, preparing, training, evaluating or saving."""
        self.write("stage", stage=stage, text=text)

    def findings(self, findings: Iterable[Finding]) -> None:
        self.write("findings", findings=[finding.as_dict() for finding in findings])

    def failed(self, finding: Finding, reference: str | None) -> None:
        self.write("failed", finding=finding.as_dict(), reference=reference)


def _writable(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
