"""Starts the trainer of an attempt. It outlives whatever starts it, and holds the locks it was given."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from .run_folder import RunFolder
from .warm.client import ROOT, clean_environment
from .warm.forked import NotWarm, fork_trainer

logger = logging.getLogger(__name__)


class Trainer(Protocol):
    """A trainer that was started: the leader of a session and group of its own, so `os.killpg` reaches all of it."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """Its exit code, minus the signal that killed it; None while it lives."""

    def wait(self, seconds: float) -> int | None:
        """The same, after at most so many seconds."""


def start_trainer(
    folder: RunFolder,
    *,
    environment: Mapping[str, str],
    locks: Sequence[int],
    log: Path,
    processes: int = 1,
) -> Trainer:
    """Start `python -m jobs.trainer` on a folder, with `processes` ranks.

    `environment` is the whole of it; what no trainer may know is taken out here. `locks` are descriptors that all
    its processes keep open until they end.
    """
    clean = clean_environment(environment)
    if processes == 1:
        try:
            return fork_trainer(
                [str(folder.path)], environment=clean, locks=locks, log=log, verdict=lambda: verdict(folder)
            )
        except NotWarm as reason:
            logger.info("Starting the trainer in a new process: %s", reason)
    return Fresh(trainer_command(folder.path, processes), clean, locks, log)


def trainer_command(folder: Path, processes: int = 1) -> list[str]:
    ranks = ["--processes", str(processes)] if processes > 1 else []
    return [sys.executable, "-m", "jobs.trainer", str(folder), *ranks]


def verdict(folder: RunFolder) -> int:
    """The exit code of a trainer that is gone and that nobody waited for, as far as its folder tells it."""
    if folder.result() is not None:
        return 0
    last = [event["event"] for event in folder.all_events() if event.get("event") in SAID_AT_THE_END]
    return SAID_AT_THE_END[last[-1]] if last else -signal.SIGKILL


SAID_AT_THE_END = {"failed": 1, "stopped": 128 + signal.SIGTERM}


class Fresh:
    """A trainer in a new process, which first has to import everything."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], locks: Sequence[int], log: Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=locks,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None
