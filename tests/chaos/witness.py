"""Looks at the portal as a person does, once a second, and compares what it says with what really runs."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType

import httpx2

from .people import Person
from .processes import is_held

ON_A_MACHINE = ("preparing", "running")


class Witness:
    """`longest_lie` are the seconds for which a job was shown as running while no process of it lived.

    While the portal does not answer, nobody is told anything.
    """

    def __init__(self, person: Person, runs: Path) -> None:
        self.person, self.runs = person, runs
        self.longest_lie = 0.0
        self.liar: int | None = None
        self.looks = 0
        self._since: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="witness", daemon=True)

    def __enter__(self) -> Witness:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(1.0):
            try:
                shown = self._shown()
            except httpx2.HTTPError:
                self._since.clear()
                continue
            self.looks += 1
            self.compare(shown, time.monotonic())

    def _shown(self) -> set[int]:
        return {job["id"] for state in ON_A_MACHINE for job in self.person.jobs(state=state)}

    def compare(self, shown: set[int], now: float) -> None:
        """`shown` are the jobs that are said to run at the moment `now`."""
        idle = {job for job in shown if not is_held(self.runs / str(job) / "lock")}
        self._since = {job: self._since.get(job, now) for job in idle}
        for job, since in self._since.items():
            if now - since > self.longest_lie:
                self.longest_lie, self.liar = now - since, job
