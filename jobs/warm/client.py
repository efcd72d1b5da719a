"""Asks the warm process for a piece of work. Standard library only: cheap to import anywhere."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

SOCKET = "FORETUNE_WARM_SOCKET"
"""Environment variable that names the warm process's socket. The portal's settings set it."""
ROOT = Path(__file__).resolve().parents[2]
MEMORY = 4 * 1024**3
"""Bytes a task may take beyond what the warm process holds, unless the caller says otherwise."""
LARGEST = 64 * 1024**2
"""Bytes of the longest question and of the longest answer."""
LENGTH = struct.Struct(">I")
LONGEST_ADDRESS = 100
"""Bytes that any system takes as the path of a socket; Linux takes 107."""
STARTING = 90.0
"""Seconds that a fresh process may take to import the libraries, before the task's own begin."""
GRACE = 1.0
"""Seconds by which the warm process may be late with word that a task overran."""

WORDS = {
    "absent": "No warm process answers.",
    "timeout": "It took longer than {seconds:g} s and was stopped.",
    "memory": "It needed more memory than it was given and was stopped.",
    "crashed": "The process that did it broke down.",
    "failed": "It raised an error.",
}


class Unanswered(Exception):
    """A task gave no answer. `reason` is a key of WORDS; `log` is the end of what it printed, with the traceback."""

    def __init__(self, reason: str, message: str = "", log: str = "") -> None:
        super().__init__(message or WORDS[reason])
        self.reason = reason
        self.log = log


def ask(task: str, /, *, seconds: float, fresh: bool = False, memory: int = MEMORY, **arguments: Any) -> dict[str, Any]:
    """Have a task of `tasks.TASKS` done in a fork of the warm process, and wait for its answer.

    `seconds` begin now, and waiting for a free place counts. Without a warm process: Unanswered("absent"), or with
    `fresh` the same in a process of its own, which first needs some seconds for its imports. `memory` is in bytes.
    """
    raise Unanswered("absent")


def is_warm() -> bool:
    """Whether a warm process answers at all."""
    return False
