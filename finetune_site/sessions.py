"""Sessions of processes. A service, its workers and what a dead one left behind share one; a training has its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil


def members(session: int) -> Iterator[psutil.Process]:
    """Every process of a session, also those whose leader is dead."""
    return (process for process, its_session in _processes() if its_session == session)


def stopped() -> set[int]:
    """The sessions in which a process does not run because somebody has sent it SIGSTOP."""
    found = set()
    for process, session in _processes():
        with suppress(psutil.Error):
            if process.status() == psutil.STATUS_STOPPED:
                found.add(session)
    return found


def holding_open(path: Path) -> set[int]:
    """The sessions in which a process of this account has a file open: forks do, programs they start do not."""
    wanted, found = str(path.resolve()), set()
    for process, session in _processes():
        with suppress(psutil.Error, OSError):
            if any(opened.path == wanted for opened in process.open_files()):
                found.add(session)
    return found


def end(session: int) -> None:
    """Kill all of a session; the caller itself last, if it is one of them."""
    own = os.getpid()
    for process in sorted(members(session), key=lambda each: each.pid == own):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _processes() -> Iterator[tuple[psutil.Process, int]]:
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError):
            yield process, os.getsid(process.pid)
