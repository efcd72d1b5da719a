"""A process the portal starts, watches and stops, with everything that process starts in its own session."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .. import sessions

PR_SET_PDEATHSIG = 1  # prctl(2)
STOP_SECONDS = 10
FROZEN_SECONDS = 20
"""How long a process may be stopped by SIGSTOP before it counts as frozen."""


def _end_with_the_portal() -> None:
    """Runs in the child: when the portal is killed outright, Linux sends the child SIGTERM. No orphan is left."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """Output goes to a file in the home. Trainings are no part of it: they run in sessions of their own.

    `inherited` is the environment it starts from. Without one that is not needed the portal is only slower.
    """

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    pass_fds: Sequence[int] = ()
    inherited: Mapping[str, str] = field(default_factory=lambda: os.environ)
    is_needed: bool = True
    short_lives: int = 0
    started_at: float = 0.0
    process: subprocess.Popen[bytes] | None = None
    _frozen_since: float | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                self.command,
                env={**self.inherited, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=self.pass_fds,
                start_new_session=True,  # Ctrl-C in the terminal must not reach it: the portal stops it in order
                preexec_fn=_end_with_the_portal,
            )
        self.started_at = time.monotonic()
        self._frozen_since = None

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def age(self) -> float:
        return time.monotonic() - self.started_at

    def is_frozen(self, stopped: Collection[int]) -> bool:
        """Whether one of its processes has been stopped for long; `stopped` are the sessions in which one is now."""
        if self.process is None or self.process.pid not in stopped:
            self._frozen_since = None
            return False
        self._frozen_since = self._frozen_since or time.monotonic()
        return time.monotonic() - self._frozen_since >= FROZEN_SECONDS

    def ask_to_stop(self) -> None:
        """Only the leader is told: a qcluster whose whole group is told hangs."""
        if self.process is not None and self.is_alive:
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Wait for a clean end, then make sure of it."""
        if self.process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End every process of its session, also those a dead leader left behind."""
        if self.process is None:
            return
        sessions.end(self.process.pid)
        self.process.wait()
