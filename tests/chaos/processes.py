"""The processes of one portal, by what they are for. Found by their environment and by the locks they hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

LOCKS = Path("/proc/locks")
ROLES = (
    ("jobs.warm", "warm"),
    ("qcluster", "queue"),
    ("portal.web", "web"),
    ("manage.py web", "web"),
    ("manage.py node", "node"),
    ("manage.py serve", "node"),
    ("manage.py supervise", "shim"),
)
"""Words of a command line, and what such a process is."""


@dataclass(frozen=True)
class Process:
    """`role` is trainer, shim, warm, web, node, or queue (any process of a qcluster); `main` leads its session."""

    pid: int
    role: str
    main: bool
    job: int | None = None


def processes_of(home: Path) -> list[Process]:
    """All that live now. A process that ends meanwhile is left out."""
    return [found for process in psutil.process_iter() if (found := _look(process, home))]


def _look(process: psutil.Process, home: Path) -> Process | None:
    try:
        if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
            return None
        command = " ".join(process.cmdline())
        job = _job_of(process, home)
        if job is None and str(home) not in command and process.environ().get("FORETUNE_HOME") != str(home):
            return None
        return Process(process.pid, _role(command, job), os.getsid(process.pid) == process.pid, job)
    except (psutil.Error, OSError):
        return None


def _role(command: str, job: int | None) -> str:
    if job is not None:
        return "shim" if "manage.py supervise" in command else "trainer"
    return next((role for words, role in ROLES if words in command), "other")


def _job_of(process: psutil.Process, home: Path) -> int | None:
    """The job whose lock a process has open: that is what makes it the job's, whatever it was forked from."""
    for path in _open_files(process.pid):
        if path.name == "lock" and path.parent.parent == home / "runs":
            return int(path.parent.name)
    return None


def _open_files(pid: int) -> Iterator[Path]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            yield link.readlink()
        except OSError:
            continue


def is_held(lock: Path) -> bool:
    """Whether some process holds the lock of this file, asked of the kernel without touching the lock."""
    try:
        inode = lock.stat().st_ino
    except FileNotFoundError:
        return False
    return any(line.split()[5].endswith(f":{inode}") for line in LOCKS.read_text().splitlines() if "FLOCK" in line)
