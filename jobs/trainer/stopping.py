"""SIGTERM, or a lease that has passed: end soon, keep nothing half done."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import together
from .fence import Fence

EXIT_CODE = 128 + signal.SIGTERM


class Stopped(BaseException):  # not an Exception: libraries catch those while they load
    """The run was asked to stop."""


class StopSignal:
    """Remembers that SIGTERM came, and looks at the lease. `step` is the last step that was finished."""

    def __init__(self, fence: Fence | None = None) -> None:
        self.requested = False
        self.fence = fence
        self.step = 0
        self._at_once = True

    def listen(self) -> None:
        signal.signal(signal.SIGTERM, self.receive)

    def receive(self, *_: Any) -> None:
        """Take the signal."""
        again, self.requested = self.requested, True
        if self._at_once and not again:  # it may come to a process and to its group
            raise Stopped

    @property
    def wanted(self) -> bool:
        self.requested = self.requested or (self.fence is not None and self.fence.passed())
        return self.requested

    def check(self) -> None:
        """Several processes stop together, so all of them must check at the same points."""
        if together.agreed(self.wanted):
            raise Stopped

    @contextmanager
    def only_between_steps(self) -> Iterator[None]:
        """Let a step finish: within this block nothing is raised except by `check`."""
        self._at_once = False
        try:
            yield
        finally:
            self._at_once = True
        self.check()
