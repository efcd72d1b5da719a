"""The lease of an attempt: until when the trainer may go on without hearing from the one who watches it.

Whoever watches renews it every few seconds in `lease.json`, `{"until": <unix seconds>}`, for as long as it lives. A
trainer whose watcher died or froze then stops by itself, and no later attempt ever trains beside it.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from .folder import LEASE_FILE


class Fence:
    """Whether the lease of a folder has passed. A folder that never had one has no fence: it is used by hand."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / LEASE_FILE
        self._seen = False

    def passed(self) -> bool:
        """Read anew each time, 20 µs: a lease can be cut short. One that is gone or unreadable was taken away."""
        try:
            until = float(json.loads(self._path.read_bytes())["until"])
        except FileNotFoundError:
            return self._seen
        except (OSError, ValueError, KeyError, TypeError):
            return True
        self._seen = True
        return time.time() >= until
