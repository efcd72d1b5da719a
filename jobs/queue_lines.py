"""The queue as one person may see it: one's own jobs by name, those of others as a job of somebody. Staff see all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import QuerySet

from .models import ON_A_MACHINE, Job, State
from .shown_state import silent_since, where
from .tables import duration
from .waiting import Outlook, Wait

LARGE = ("facts", "findings", "result", "metrics", "error")


@dataclass(frozen=True)
class Line:
    """A job on a machine or in the queue. `job` is None where it is another person's."""

    job: Job | None
    is_own: bool
    gpus: int
    since: datetime
    machine: str = ""
    slots: tuple[int, ...] = ()
    seconds_left: int | None = None
    silent_since: datetime | None = None
    wait: Wait | None = None

    @property
    def owner(self) -> str:
        return self.job.owner.username if self.job else ""

    @property
    def where(self) -> str:
        return where(self.machine, self.slots)

    @property
    def time_left(self) -> str:
        """Such as "2 h 5 min"; empty where nobody knows."""
        return "" if self.seconds_left is None else duration(self.seconds_left)


@dataclass(frozen=True)
class Queue:
    """`waiting` has the first of all, and all of one's own; `aside` one's own that are neither waiting nor running."""

    closed: str
    free_places: int
    running: list[Line]
    waiting: list[Line]
    waiting_count: int
    aside: list[Job]

    @property
    def hidden_count(self) -> int:
        return self.waiting_count - len(self.waiting)

    @property
    def own_waiting(self) -> int:
        return sum(line.is_own for line in self.waiting)


def queue_for(user: User, most: int) -> Queue:
    """What `user` may see of the queue, with at most so many waiting jobs of others."""
    outlook = Outlook()
    return Queue(
        closed=outlook.closed,
        free_places=len(outlook.free),
        running=[_running(job, user) for job in _jobs(state__in=ON_A_MACHINE).prefetch_related("places")],
        waiting=list(_waiting(user, outlook, most)),
        waiting_count=len(outlook.places),
        aside=list(_jobs(owner=user, state__in=[State.CHECKING, State.PAUSED])),
    )


def _jobs(**which: object) -> QuerySet[Job]:
    return Job.objects.filter(**which).select_related("owner").defer(*LARGE).order_by("started_at", "pk")


def _running(job: Job, user: User) -> Line:
    return replace(
        _line(job, user, since=job.started_at or job.created_at),
        machine=job.machine,
        slots=tuple(job.slots),
        seconds_left=job.progress.get("eta_seconds"),
        silent_since=silent_since(job),
    )


def _waiting(user: User, outlook: Outlook, most: int) -> Iterator[Line]:
    own = Job.objects.filter(owner=user, state=State.QUEUED).values_list("pk", flat=True)
    shown = {*sorted(outlook.places, key=outlook.places.__getitem__)[:most], *own}
    for job in sorted(_jobs(pk__in=shown), key=lambda job: outlook.places.get(job.pk, 0)):
        if wait := outlook.of(job):
            line = _line(job, user, since=job.created_at)
            yield replace(line, wait=wait if line.job else replace(wait, why=""))


def _line(job: Job, user: User, since: datetime) -> Line:
    is_own = job.owner_id == user.pk
    return Line(job if is_own or user.is_staff else None, is_own, job.processes, since)
