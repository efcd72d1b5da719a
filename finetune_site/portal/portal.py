"""One portal: its children, and the loop that keeps them going."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from jobs.warm import client as warm

from ..environment import ROOT
from .children import Child
from .doorbell import Doorbell
from .housekeeping import Housekeeping
from .readiness import (
    CannotServe,
    listening,
    migrate,
    only_portal_of_this_home,
    require_packages,
    wait_until_ready,
)

LIGHT_QUEUES = (str(settings.Q_CLUSTER["name"]), settings.CHECK_QUEUE)
PONG = "finetune_site.portal.doorbell.pong"
OWN_NAMES = ("127.0.0.1", "[::1]")  # by which this portal asks itself whether it is ready
STEADY_SECONDS = 10  # a child that lived this long did start
GIVE_UP_AFTER = 5  # starts in a row that it did not
REST_SECONDS = 30  # between two starts of a child that the portal can do without


class Portal:
    """`with Portal(host, port).serving() as portal: portal.run()`"""

    def __init__(self, host: str, port: int, say: Callable[[str], None] = print) -> None:
        self.host, self.port, self.say = host, port, say
        self.stopping = False
        self.children: list[Child] = []
        train = settings.TRAIN_QUEUE
        tick = Doorbell(train, "jobs.supervisor.tick", every=settings.ENVIRONMENT.tick_seconds, patience=30)
        light = [Doorbell(queue, PONG, every=15, patience=60) for queue in LIGHT_QUEUES]
        self.queues = [(_qcluster(bell.queue), bell) for bell in (tick, *light)]
        self.housekeeping = Housekeeping()

    @property
    def address(self) -> str:
        host = "localhost" if self.host in ("0.0.0.0", "127.0.0.1", "::") else self.host  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.port}"

    @contextmanager
    def serving(self) -> Iterator[Portal]:
        """Everything is up inside the block, and everything but the trainings is down after it."""
        require_packages()
        with only_portal_of_this_home() as note, listening(self.host, self.port) as listener:
            self.port = listener.getsockname()[1]
            note(self.address)
            migrate()
            with self._stopping_on_signals():
                try:
                    self._start(listener)
                    yield self
                finally:
                    self._stop()

    def run(self) -> None:
        """Ring and watch until somebody asks to stop."""
        while not self.stopping:
            self.step()
            time.sleep(0.5)

    def step(self) -> None:
        """One round: what died is started anew, what is due is rung."""
        for child in self.children:
            self._revive(child)
        try:
            for cluster, bell in self.queues:
                bell.press()
                if bell.is_dead:
                    self._replace(cluster, bell)
            self.housekeeping.do_when_due()
        except DatabaseError as error:  # it will come back; trainings do not need it meanwhile
            self.say(f"The database does not answer: {str(error).strip()}")
            connection.close()
            for _, bell in self.queues:
                bell.restart_patience()
        close_old_connections()

    def _start(self, listener: socket.socket) -> None:
        self.children = [self._web(listener), *(cluster for cluster, _ in self.queues)]
        for _, bell in self.queues:
            if bell.queue == settings.TRAIN_QUEUE or connection.vendor == "sqlite":  # else others may work on them
                bell.give_back_tasks()
        for child in self.children:
            child.start()
        wait_until_ready(self.host, self.port, self._has_no_web)
        self.children.append(_warm())  # last: its imports keep a processor busy for seconds
        self.children[-1].start()

    def _web(self, listener: socket.socket) -> Child:
        hosts = {*settings.ENVIRONMENT.allowed_hosts, *OWN_NAMES, socket.gethostname(), self.host}
        return Child(
            "web",
            [sys.executable, "-m", "finetune_site.portal.web", str(listener.fileno())],
            log_file("web"),
            {"FORETUNE_ALLOWED_HOSTS": ",".join(sorted(hosts)), "PYTHONPATH": str(ROOT)},
            pass_fds=[listener.fileno()],
        )

    def _has_no_web(self) -> bool:
        return self.stopping or not self.children[0].is_alive

    def _revive(self, child: Child) -> None:
        if child.is_alive or (not child.is_needed and child.age < REST_SECONDS):
            return
        child.short_lives = 0 if child.age > STEADY_SECONDS else child.short_lives + 1
        if child.short_lives >= GIVE_UP_AFTER and child.is_needed:
            raise CannotServe(f"The {child.name} process ends as soon as it is started. Its output is in {child.log}.")
        self.say(f"The {child.name} process has ended and is started again; its output is in {child.log}.")
        child.kill()  # what a dead qcluster leaves behind goes on taking tasks
        child.start()

    def _replace(self, cluster: Child, bell: Doorbell) -> None:
        self.say(f"The {cluster.name} process takes no tasks and is replaced.")
        cluster.kill()
        bell.give_back_tasks()
        cluster.start()

    @contextmanager
    def _stopping_on_signals(self) -> Iterator[None]:
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(number, self._ask_to_stop) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _stop(self) -> None:
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.stop()


def _qcluster(queue: str) -> Child:
    command = [sys.executable, str(ROOT / "manage.py"), "qcluster"]
    return Child(f"{queue} queue", command, log_file(f"queue-{queue}"), {"Q_CLUSTER_NAME": queue})


def _warm() -> Child:
    command = [sys.executable, "-m", "jobs.warm", os.environ[warm.SOCKET]]
    return Child("warm", command, log_file("warm"), inherited=warm.clean_environment(), is_needed=False)


def log_file(name: str) -> Path:
    return Path(settings.LOGS_DIR) / f"{name}.log"
