"""The service of one machine: its parts, their processes, and the loop that keeps them going."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FrameType
from typing import Protocol

from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, connection

from .. import sessions
from .children import Child
from .migrating import migrate
from .readiness import CannotServe
from .supervised import tell_systemd

STEADY_SECONDS = 10  # a child that lived this long did start
GIVE_UP_AFTER = 5  # starts in a row that it did not
REST_SECONDS = 30  # between two starts of a child that the portal can do without
LOOK_FOR_FROZEN = 5.0  # seconds between two looks at all processes
REPEAT_SECONDS = 60.0  # before a trouble that goes on is told again


class Part(Protocol):
    """What a service is made of: the web server, the node, or both."""

    children: list[Child]
    portal: Portal

    def held(self) -> AbstractContextManager[None]:
        """The locks and ports it needs; CannotServe when somebody else has them."""

    def start(self) -> None:
        """Start the processes that everything waits for."""

    def settle(self) -> None:
        """Wait until they are ready, and start the rest."""

    def step(self) -> None:
        """One look at how it goes."""

    def ended(self) -> None:
        """All of its processes are down."""


class Portal:
    """`with Portal(parts).serving() as portal: portal.run()`"""

    def __init__(self, parts: Sequence[Part], say: Callable[[str], None] = print) -> None:
        self.parts, self.say = parts, say
        self.stopping = False
        self._next_look = 0.0
        self._told, self._told_at = "", 0.0
        for part in parts:
            part.portal = self

    @property
    def children(self) -> list[Child]:
        return [child for part in self.parts for child in part.children]

    @contextmanager
    def serving(self) -> Iterator[Portal]:
        """Everything is up inside the block, and everything but the trainings is down after it."""
        with ExitStack() as stack:
            for part in self.parts:
                stack.enter_context(part.held())
            migrate()
            stack.enter_context(self._stopping_on_signals())
            try:
                for part in self.parts:
                    part.start()
                for part in self.parts:
                    part.settle()
                tell_systemd("READY=1")
                yield self
            finally:
                tell_systemd("STOPPING=1")
                self._stop()

    def run(self) -> None:
        """Ring and watch until somebody asks to stop."""
        while not self.stopping:
            self.step()
            time.sleep(0.5)

    def step(self) -> None:
        """One round: what died or froze is started anew, what is due is done."""
        tell_systemd("WATCHDOG=1")
        self._replace_frozen()
        for child in self.children:
            self.revive(child)
        for part in self.parts:
            try:
                part.step()
            except DatabaseTrouble as error:  # it will come back; trainings do not need it meanwhile
                self.complain(f"The database does not answer: {str(error).strip()}")
                connection.close()
        close_old_connections()

    def revive(self, child: Child) -> None:
        if child.is_alive or (not child.is_needed and child.age < REST_SECONDS):
            return
        child.short_lives = 0 if child.age > STEADY_SECONDS else child.short_lives + 1
        if child.short_lives >= GIVE_UP_AFTER and child.is_needed:
            raise CannotServe(f"The {child.name} process ends as soon as it is started. Its output is in {child.log}.")
        self.say(f"The {child.name} process has ended and is started again; its output is in {child.log}.")
        child.kill()  # what a dead qcluster leaves behind goes on taking tasks
        child.start()

    def replace(self, child: Child, why: str) -> None:
        self.say(f"The {child.name} process {why} and is replaced.")
        child.kill()
        child.start()

    def complain(self, sentence: str) -> None:
        """Tell of a trouble, and of the same one again only after a while."""
        now = time.monotonic()
        if sentence != self._told or now - self._told_at > REPEAT_SECONDS:
            self.say(sentence)
            self._told, self._told_at = sentence, now

    def _replace_frozen(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_FOR_FROZEN
        stopped = sessions.stopped()
        for child in self.children:
            if child.is_frozen(stopped):
                self.replace(child, "was stopped from outside")

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
        for part in self.parts:
            part.ended()
