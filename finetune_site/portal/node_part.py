"""The node: the queues of a machine and the process that is kept warm, rung and watched."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import connection

from jobs.draining import give_all_back
from jobs.nodes import GENERATION, live
from jobs.warm import client as warm

from .. import sessions
from ..environment import ROOT
from .children import Child
from .doorbell import Doorbell
from .housekeeping import Housekeeping
from .portal import Portal
from .presence import Presence
from .readiness import log_file, only_one, require_packages

LIGHT_QUEUES = (str(settings.Q_CLUSTER["name"]), settings.CHECK_QUEUE)
PONG = "finetune_site.portal.doorbell.pong"


class NodePart:
    """Trainings are no part of it: they go on when it ends, and are found again when it starts.

    Unless everything ends with it, as in a container: then it has them write a checkpoint first, within
    `drain_seconds`, and they go on from there at the next start.
    """

    portal: Portal

    def __init__(self, drain_seconds: float = 0) -> None:
        self.drain_seconds = drain_seconds
        train = settings.TRAIN_QUEUE
        tick = Doorbell(train, "jobs.supervisor.tick", every=settings.ENVIRONMENT.tick_seconds, patience=30)
        self.bells = [tick, *(Doorbell(queue, PONG, every=15, patience=60) for queue in LIGHT_QUEUES)]
        self.children: list[Child] = []
        self.presence = Presence(self.bells)
        self.housekeeping = Housekeeping()
        self._mark: IO[bytes]

    @contextmanager
    def held(self) -> Iterator[None]:
        require_packages()
        with only_one("node") as note, _mark().open("wb") as self._mark:
            note(f"machine {settings.MACHINE_NAME}")
            yield

    def start(self) -> None:
        for session in sessions.holding_open(_mark()) - {os.getsid(0)}:
            sessions.end(session)  # clusters of a service that was killed together with their leaders
        self.presence.begin()
        alone = connection.vendor == "sqlite" or len(live()) == 1
        for bell in self.bells:
            if alone or bell.queue == settings.TRAIN_QUEUE:  # else other machines may be at these tasks
                bell.give_back_tasks()
        self.children = [self._cluster(bell.queue) for bell in self.bells]
        for child in self.children:
            child.start()

    def settle(self) -> None:
        self.children.append(_warm())  # last: its imports keep a processor busy for seconds
        self.children[-1].start()

    def step(self) -> None:
        try:
            for cluster, bell in zip(self.children, self.bells, strict=False):
                bell.press()
                if bell.is_dead:
                    self.portal.replace(cluster, "takes no tasks")
                    bell.give_back_tasks()
            self.presence.show()
            self.housekeeping.do_when_due()
        except BaseException:
            for bell in self.bells:  # nobody can answer while the database is away
                bell.restart_patience()
            raise

    def ended(self) -> None:
        """Trainings are stopped last, so that no queue starts them again."""
        if self.drain_seconds:
            self._drain()
        self.presence.end()

    def _drain(self) -> None:
        try:
            living = give_all_back(self.drain_seconds)
        except DatabaseTrouble as error:
            self.portal.say(f"Trainings could not be stopped in order: {str(error).strip()}")
            return
        if living:
            self.portal.say(f"Still running after {self.drain_seconds:g} s: jobs {', '.join(map(str, living))}.")

    def _cluster(self, queue: str) -> Child:
        return Child(
            f"{queue} queue",
            [sys.executable, str(ROOT / "manage.py"), "qcluster"],
            log_file(f"queue-{queue}"),
            {"Q_CLUSTER_NAME": queue, GENERATION: str(self.presence.generation)},
            pass_fds=[self._mark.fileno()],
        )


def _warm() -> Child:
    command = [sys.executable, "-m", "jobs.warm", os.environ[warm.SOCKET]]
    return Child("warm", command, log_file("warm"), inherited=warm.clean_environment(), is_needed=False)


def _mark() -> Path:
    """A file that every process of our clusters has open: forks inherit it, and programs that they start do not."""
    return Path(settings.HOME) / "node.mark"
