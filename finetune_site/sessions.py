"""Sessions of processes. A service, its workers and what a dead one left behind share one; a training has its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import psutil


def members(session: int) -> Iterator[psutil.Process]:
    """Every process of a session, also those whose leader is dead."""
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session:
                yield process
        except (ProcessLookupError, PermissionError):
            continue


def end(session: int) -> None:
    """Kill all of a session; the caller itself last, if it is one of them."""
    own = os.getpid()
    for process in sorted(members(session), key=lambda each: each.pid == own):
        with suppress(psutil.NoSuchProcess):
            process.kill()
