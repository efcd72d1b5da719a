"""What a node service tells the portal of itself: that it lives, what its machine has, whether its queues answer."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db.models import QuerySet
from django.utils import timezone

from jobs.models import Node
from jobs.node_facts import node_facts
from jobs.nodes import BEAT, clock, live
from jobs.warm import client as warm

from .doorbell import Doorbell
from .readiness import CannotServe

WATCHED = 3 * BEAT
"""Seconds after which a service that lives has certainly given a sign of it."""


class Presence:
    """The row of this machine, which belongs to this start of its service as long as the generation is ours."""

    def __init__(self, bells: Sequence[Doorbell] = ()) -> None:
        self.bells = bells
        self.generation = uuid4()
        self._next_beat = 0.0

    def begin(self, wait: Callable[[float], None] = time.sleep) -> None:
        """Take the row over; CannotServe when another service that lives has it.

        One that has ended left no time. One of this home is dead, for its lock is ours. Any other is watched for a
        while: the clock of another machine proves nothing, a sign of life does.
        """
        node, _ = Node.objects.get_or_create(name=settings.MACHINE_NAME)
        if node.machine_id != identity() and node in live():
            wait(WATCHED)
        unchanged = Node.objects.filter(pk=node.pk, generation=node.generation, seen_at=node.seen_at)
        if not unchanged.update(generation=self.generation, started_at=timezone.now(), **self._signs()):
            raise CannotServe(self._another())

    def show(self) -> None:
        """A sign of life, every few seconds; CannotServe when another service has taken the row."""
        now = time.monotonic()
        if now < self._next_beat:
            return
        self._next_beat = now + BEAT
        if not self._row().update(**self._signs()):
            raise CannotServe(self._another())

    def end(self) -> None:
        with suppress(DatabaseTrouble):  # then the silence tells
            self._row().update(seen_at=None, pid=None)

    def _row(self) -> QuerySet[Node]:
        return Node.objects.filter(name=settings.MACHINE_NAME, generation=self.generation)

    def _signs(self) -> dict[str, Any]:
        queues = {bell.queue: {"answered": bell.answered_at} for bell in self.bells}
        return {
            "seen_at": clock(),
            "machine_id": identity(),
            "address": os.uname().nodename,
            "pid": os.getpid(),
            "facts": {**node_facts(), "queues": queues, "warm": Path(os.environ[warm.SOCKET]).exists()},
        }

    def _another(self) -> str:
        node = Node.objects.filter(name=settings.MACHINE_NAME).first()
        where = f" on {node.address} (process {node.pid})" if node else ""
        return (
            f"Another node service serves the machine {settings.MACHINE_NAME}{where}. "
            "Stop that one, or give this machine a name of its own with FORETUNE_MACHINE_NAME."
        )


def identity() -> str:
    """Tells this home on this running system from every other, in containers too."""
    home = Path(settings.HOME).stat()
    return hashlib.sha256(f"{boot_id()} {home.st_dev} {home.st_ino}".encode()).hexdigest()[:32]


def boot_id() -> str:
    """New at each start of the system; the same in all its containers."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return os.uname().nodename
