"""The order of the queue: who is next, which GPUs are for whom, one's place, and when one's turn may come.

Highest priority first, then whose owner has the fewest jobs on machines, then the oldest. Each waiting job counts for
the next one of its owner as if it were on a machine already: so ten jobs of one person do not shut out another's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from math import inf
from typing import Any

from django.conf import settings
from django.db.models import Case, Count, F, IntegerField, Q, QuerySet, Sum, Value, When, Window
from django.db.models.expressions import OrderBy
from django.db.models.functions import RowNumber
from django.utils import timezone

from .history import history_facts
from .machine import cards, place_count
from .models import ON_A_MACHINE, Job, Place, State
from .rulebook.cards import Card, choose_several, suitable
from .rulebook.estimate import estimate, memory_needed

MOST_FORETOLD = 100
"""Waiting jobs whose start is reckoned; what happens after a hundred jobs nobody can tell."""


def in_order(limit: int = 50) -> list[Job]:
    """Queued jobs that may start now, the next one first.

    Left out are those that wait for a time, and those whose owner would have more GPUs at once than a person may.
    """
    ready = Job.objects.filter(Q(not_before=None) | Q(not_before__lte=timezone.now()), state=State.QUEUED)
    return _read(_within_limits(_by_turn(ready)), limit)


def waiting() -> QuerySet[Job]:
    """All queued jobs by their turn, also those that may not start yet."""
    return _by_turn(Job.objects.filter(state=State.QUEUED))


def place_of(job: Job) -> int | None:
    """1 for the job that is next; None when it does not wait in the queue."""
    return places().get(job.pk)


def places() -> dict[int, int]:
    """The place in the queue of every queued job."""
    return {pk: number for number, pk in enumerate(waiting().values_list("pk", flat=True), start=1)}


def expected_start(job: Job) -> datetime | None:
    """When a queued job will start, as far as the jobs before it are foreseeable; None when they are not."""
    return expected_starts().get(job.pk)


def pick(jobs: Sequence[Job], listed: Sequence[Card], free: Collection[int]) -> tuple[Job, list[int]] | None:
    """The first job there is room for, with its GPUs; `listed` is empty on a machine without GPUs.

    A job may be passed while it waits for a GPU that is large enough. One that waits for several GPUs keeps those
    that are free for it, or others would take them one by one for ever.
    """
    found = _first_that_fits([_Waiting.of(job) for job in jobs], listed, set(free))
    return (jobs[found[0]], found[1]) if found else None


def _by_turn(queued: QuerySet[Job]) -> QuerySet[Job]:
    """Annotates `turn`: how many jobs the owner will have on machines, this one included."""
    own = Window(RowNumber(), partition_by=[F("owner")], order_by=_own_order())
    turn = own + _of_owner(_on_machines("jobs"))
    return queued.annotate(turn=turn).order_by("-priority", "turn", "created_at", "pk")


def _read(queued: QuerySet[Job], limit: int) -> list[Job]:
    """The first ones, sorted without their specifications and facts, which are large."""
    return _found(queued.values_list("pk", flat=True)[:limit])


def _found(order: Iterable[int]) -> list[Job]:
    keys = list(order)
    found = Job.objects.in_bulk(keys)
    return [found[pk] for pk in keys if pk in found]


def _own_order() -> list[OrderBy]:
    return [F("priority").desc(), F("created_at").asc(), F("pk").asc()]


def _within_limits(queued: QuerySet[Job]) -> QuerySet[Job]:
    """Without those that would give their owner more GPUs than a person may have at once."""
    most = settings.ENVIRONMENT.max_gpus_per_user
    if not most:
        return queued
    asked = Case(When(processes__lte=most, then=F("processes")), default=0, output_field=IntegerField())
    own = Window(Sum(asked), partition_by=[F("owner")], order_by=_own_order())
    gpus = own + _of_owner(_on_machines("gpus"))
    return queued.filter(processes__lte=most).annotate(own_gpus=gpus).filter(own_gpus__lte=most)


def _on_machines(what: str) -> dict[int, int]:
    """Jobs on machines, or GPUs they have, by owner."""
    counted = Job.objects.filter(state__in=ON_A_MACHINE).order_by().values("owner")
    return dict(counted.annotate(jobs=Count("pk"), gpus=Sum("processes")).values_list("owner", what))


def _of_owner(amounts: Mapping[int, int]) -> Case:
    cases = [When(owner=owner, then=Value(amount)) for owner, amount in amounts.items()]
    return Case(*cases, default=Value(0), output_field=IntegerField())


@dataclass(frozen=True)
class _Waiting:
    """What placing a job needs to know of it."""

    pk: int
    owner: int
    gpus: int
    needed: int | None
    seconds: float = inf
    not_before: float = 0.0

    @classmethod
    def of(cls, job: Job, **more: float) -> _Waiting:
        needed = memory_needed(job.facts)
        return cls(job.pk, job.owner_id, job.processes, needed[0] if needed else None, **more)


def _first_that_fits(queue: Sequence[_Waiting], listed: Sequence[Card], free: set[int]) -> tuple[int, list[int]] | None:
    """Index of a job and its places. Without GPUs every job takes the one place of the machine."""
    free = set(free)
    for index, job in enumerate(queue):
        if not free:
            return None
        if not listed:
            return index, [min(free)]
        places = choose_several(job.needed, listed, free, job.gpus)
        if places:
            return index, places
        if job.gpus > 1:
            free -= _kept_for(job, listed, free)
    return None


def _kept_for(job: _Waiting, listed: Sequence[Card], free: set[int]) -> set[int]:
    """The free GPUs of those that it will get; none where it asks for more than there are."""
    everywhere = choose_several(job.needed, listed, [card["index"] for card in listed], job.gpus)
    if everywhere is None:
        return set()
    suiting = [card["index"] for card in suitable(job.needed, listed, job.gpus) if card["index"] in free]
    return set(suiting[: job.gpus])


def expected_starts(order: Iterable[int] | None = None) -> dict[int, datetime]:
    """When the first hundred waiting jobs will start, as far as that can be foreseen; `order` where it is known.

    Plays the queue on this machine: running jobs end when they say, waiting ones take what jobs of their kind took.
    A job whose time nobody knows holds its GPU for ever, and what would come after it there is not foretold.
    """
    now, listed = timezone.now(), cards()
    jobs = _found(islice(order, MOST_FORETOLD)) if order is not None else _read(waiting(), MOST_FORETOLD)
    if not jobs:
        return {}
    learnt = history_facts()
    queue = [_Waiting.of(job, seconds=_seconds(job, learnt), not_before=_wait(job, now)) for job in jobs]
    ends, owned = _now_held(learnt)
    held = {slot: ends.get(slot, 0.0) for slot in range(place_count())}
    return {pk: now + timedelta(seconds=after) for pk, after in _play(queue, listed, held, owned)}


def _play(
    queue: list[_Waiting], listed: Sequence[Card], held: dict[int, float], owned: list[tuple[float, int, int]]
) -> Iterator[tuple[int, float]]:
    """Each job with the seconds until it starts. `held` says until when a place is taken; `owned` is as below."""
    at, queue = 0.0, list(queue)
    while queue and at < inf:
        free = {slot for slot, until in held.items() if until <= at}
        ready = [job for job in queue if job.not_before <= at and _may_have(job, owned, at)]
        if found := _first_that_fits(ready, listed, free):
            job, slots = ready[found[0]], found[1]
            queue.remove(job)
            held.update(dict.fromkeys(slots, at + job.seconds))
            owned.append((at + job.seconds, job.owner, job.gpus))
            yield job.pk, at
        else:
            later = [*held.values(), *(job.not_before for job in queue), *(until for until, _, _ in owned)]
            at = min((time for time in later if time > at), default=inf)


def _may_have(job: _Waiting, owned: list[tuple[float, int, int]], at: float) -> bool:
    """Whether its owner may have its GPUs as well. `owned` has until when whose job holds how many."""
    most = settings.ENVIRONMENT.max_gpus_per_user
    has = sum(gpus for until, owner, gpus in owned if owner == job.owner and until > at)
    return not most or has + job.gpus <= most


def _now_held(learnt: Mapping[str, Any]) -> tuple[dict[int, float], list[tuple[float, int, int]]]:
    """Seconds until each place here that is taken comes free, and the same by owner with his number of GPUs."""
    ends: dict[int, float] = {}
    owned = []
    left = {job.pk: (_seconds(job, learnt), job) for job in Job.objects.filter(state__in=ON_A_MACHINE)}
    for place in Place.objects.filter(machine=settings.MACHINE_NAME, job__in=left):
        ends[place.slot] = left[place.job_id][0]
    for seconds, job in left.values():
        owned.append((seconds, job.owner_id, job.processes))
    return ends, owned


def _wait(job: Job, now: datetime) -> float:
    return max(0.0, (job.not_before - now).total_seconds()) if job.not_before else 0.0


def _seconds(job: Job, learnt: Mapping[str, Any]) -> float:
    """How long it will train from now: as it says itself, else as jobs of its kind did; for ever if nobody knows."""
    told = job.progress.get("eta_seconds")
    if job.state in ON_A_MACHINE and told is not None:
        return max(1.0, float(told))
    whole = estimate({**job.facts, **learnt}).seconds
    if whole is None:
        return inf
    left = 1 - job.step / job.total_steps if job.total_steps else 1.0
    return max(1.0, whole * left)
