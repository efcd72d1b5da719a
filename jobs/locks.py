"""Locks that live as long as the processes that hold them. The kernel takes them back at a kill and at a power cut.

A job's lock says whether anything of it lives on this machine, and a GPU's whether anything uses it, whatever the
database says. They are held by the shim and by all processes of its trainer, which inherit them.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil
from django.conf import settings

from .machine import gpu_count
from .run_folder import hold_file

MACHINE_WIDE = Path("/run/lock") if os.access("/run/lock", os.W_OK) else Path(tempfile.gettempdir())
"""Where other portals on this machine look too: its GPUs are theirs as well."""


def hold_place(slot: int) -> int | None:
    """Take the lock of a GPU: its descriptor, or None while something still uses it."""
    return hold_file(_lock_of_place(slot), mode=0o644)


def _lock_of_place(slot: int) -> Path:
    if gpu_count():
        return MACHINE_WIDE / f"foretune-gpu-{slot}.lock"
    return Path(settings.HOME) / "places" / f"{slot}.lock"  # a processor is shared with everybody


def holders(lock: Path) -> set[int]:
    """The processes that have the file of a lock open; those of other accounts are not seen."""
    wanted, found = str(lock.resolve()), set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if any(opened.path == wanted for opened in process.open_files()):
                found.add(process.pid)
    return found
