"""What people are told about a job that waits: its place, when it may start, and what it waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.conf import settings
from django.utils import timezone
from django.utils.timezone import localtime

from models_catalog.models import Download

from .machine import cards, place_count
from .models import ON_A_MACHINE, Job, Place, State
from .nodes import why_nothing_starts
from .queueing import expected_starts, pick, places
from .rulebook.cards import Card, choose_several
from .rulebook.estimate import memory_needed
from .rulebook.words import count, size
from .shown_state import state_tone, state_words

AT_ONCE = 60
"""Seconds within which a start is called "in a moment"."""


@dataclass(frozen=True)
class Wait:
    """`starts` is None where that cannot be foreseen; `why` is what its owner is told."""

    place: int
    starts: datetime | None
    why: str

    @property
    def starts_in_words(self) -> str:
        """Such as "about 14:05", "in a moment", or "unknown"."""
        if self.starts is None:
            return "unknown"
        if (self.starts - timezone.now()).total_seconds() < AT_ONCE:
            return "in a moment"
        return f"about {clock(self.starts)}"


def clock(moment: datetime) -> str:
    """The time of day, with the date when it is not today's."""
    local = localtime(moment)
    return f"{local:%H:%M}" if local.date() == localtime().date() else f"{local:%d %b %H:%M}"


def mark(job: Job, wait: Wait | None) -> str:
    """Changes whenever the page of the job would say something else about where it stands."""
    waits = f"{wait.place} {wait.starts_in_words} {wait.why}" if wait else ""
    return f"{job.attempt} {state_words(job)} {state_tone(job)} {waits}".strip()


class Outlook:
    """The queue as it stands when somebody looks at it. Each part is asked for once, and only when it is needed."""

    def of(self, job: Job) -> Wait | None:
        """Of a queued job; None for any other."""
        place = self.places.get(job.pk) if job.state == State.QUEUED else None
        return None if place is None else Wait(place, self._start_of(job), self._why(job, place))

    @cached_property
    def places(self) -> dict[int, int]:
        return places()

    @cached_property
    def closed(self) -> str:
        """Why nothing starts at all, or nothing."""
        return why_nothing_starts()

    @cached_property
    def _starts(self) -> dict[int, datetime]:
        return expected_starts(self.places)

    @cached_property
    def _cards(self) -> Sequence[Card]:
        return cards()

    @cached_property
    def free(self) -> set[int]:
        """Places of this machine that no job holds."""
        taken = Place.objects.filter(machine=settings.MACHINE_NAME).values_list("slot", flat=True)
        return set(range(place_count())) - set(taken)

    @cached_property
    def _gpus_by_owner(self) -> Counter[int]:
        held: Counter[int] = Counter()
        for owner, gpus in Job.objects.filter(state__in=ON_A_MACHINE).values_list("owner", "processes"):
            held[owner] += gpus
        return held

    @cached_property
    def _downloads(self) -> dict[tuple[int | None, str], Download]:
        """Those that are not over, by model and revision."""
        active = Download.objects.filter(state__in=Download.ACTIVE)
        return {(each.model_id, each.revision or "main"): each for each in active}

    def _download_of(self, job: Job) -> Download | None:
        revision = job.spec.get("model", {}).get("revision") or "main" if self._downloads else ""
        return self._downloads.get((job.base_model_id, revision))

    def _start_of(self, job: Job) -> datetime | None:
        turn = None if self.closed else self._starts.get(job.pk)
        if turn is None or (download := self._download_of(job)) is None:
            return turn
        left = seconds_left(download)
        return None if left is None else max(turn, timezone.now() + timedelta(seconds=left))

    def _why(self, job: Job, place: int) -> str:
        return (
            self.closed
            or _later(job)
            or self._limit(job)
            or _fetching(self._download_of(job))
            or self._gpus(job, place)
            or self._before(job, place)
        )

    def _limit(self, job: Job) -> str:
        most, has = settings.ENVIRONMENT.max_gpus_per_user, self._gpus_by_owner[job.owner_id]
        if not most or has + job.processes <= most:
            return ""
        if job.processes > most:
            return (
                f"It asks for {job.processes} GPUs, and one person may hold {most} at once, so it will not start. "
                "Cancel it and start it with fewer processes."
            )
        held = "is held" if has == 1 else "are held"
        return f"One person may hold {count(most, 'GPU')} at once, and {has} {held} already: another job must end."

    def _gpus(self, job: Job, place: int) -> str:
        if job.processes <= 1 or not self._cards:
            return ""
        if job.processes > len(self._cards):
            return f"It needs {job.processes} GPUs, and this machine has {count(len(self._cards), 'GPU')}."
        free = len(self.free)
        if place > 1 or free >= job.processes:
            return ""
        kept = f"; {free} free now {'is' if free == 1 else 'are'} kept for it" if free else ""
        return f"It needs {job.processes} GPUs at the same time{kept}."

    def _before(self, job: Job, place: int) -> str:
        if place > 1:
            return f"{count(place - 1, 'job')} {'is' if place == 2 else 'are'} before it."
        if not self.free:
            return "It is next, and waits for a running job to end."
        if pick([job], self._cards, self.free) is None:
            return self._larger(job)
        return "It is next, and starts in a moment."

    def _larger(self, job: Job) -> str:
        needed = memory_needed(job.facts)
        suits = needed and choose_several(needed[0], self._cards, range(len(self._cards)), 1)
        return f"It is next, and waits for a GPU that is large enough{f', such as GPU {suits[0]}' if suits else ''}."


def seconds_left(download: Download) -> float | None:
    """Until the model is here, at the speed of now; None where that is not known."""
    if download.state != Download.State.RUNNING or not download.bytes_total or not download.bytes_per_second:
        return None
    return max(0, download.bytes_total - download.bytes_done) / download.bytes_per_second


def _fetching(download: Download | None) -> str:
    if download is None:
        return ""
    if download.state == Download.State.WAITING and download.not_before:
        return f"The download of its model waits until {clock(download.not_before)} before it is tried again."
    so_far = f", {size(download.bytes_done)} of {size(download.bytes_total)} so far" if download.bytes_total else ""
    return f"Its model is being downloaded{so_far}. Jobs whose models are here may start before it."


def _later(job: Job) -> str:
    if not job.not_before or job.not_before <= timezone.now():
        return ""
    last = job.attempts.last()
    because = f" after this: {last.error['message']}" if last and last.error else "."
    return f"It waits until {clock(job.not_before)} before it is tried again{because}"
