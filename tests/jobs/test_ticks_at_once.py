"""Ticks at the same moment, as two node services by mistake make them. Only a server database lets them in together."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.conf import settings
from django.db import connection

from jobs import queueing, supervisor
from jobs.engines import local
from jobs.models import Attempt, Job, Place, State
from tests.make import make_job

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
TICKS = 4


@pytest.fixture
def launched(monkeypatch):
    started, held = [], []

    def launch(job, locks):
        held.extend(os.dup(lock) for lock in locks)
        started.append(job.pk)

    monkeypatch.setattr(local, "_launch", launch)
    for module in (local, queueing):
        monkeypatch.setattr(module, "place_count", lambda: 3)
    yield started
    for lock in held:
        os.close(lock)


def together(act):
    """The same from several threads, each with a connection of its own, at the same moment."""
    ready = Barrier(TICKS)

    def one(_):
        ready.wait(10)
        try:
            act()
        finally:
            connection.close()

    with ThreadPoolExecutor(TICKS) as threads:
        list(threads.map(one, range(TICKS)))


def test_every_job_is_started_once_and_every_place_taken_once(launched):
    jobs = [make_job() for _ in range(5)]
    for _ in range(3):  # one that finds a lock held for a moment leaves the rest to the next
        together(supervisor.tick)
    assert sorted(launched) == [job.pk for job in jobs[:3]]
    assert sorted(Place.objects.values_list("slot", flat=True)) == [0, 1, 2]
    assert Job.objects.filter(state=State.PREPARING).count() == Attempt.objects.count() == 3


def test_what_has_died_is_concluded_once(launched):
    job = make_job(state=State.RUNNING, machine=settings.MACHINE_NAME, slots=[0], attempt=1)
    Attempt.objects.create(job=job, number=1, machine=job.machine)
    together(supervisor.tick)
    together(supervisor.tick)
    assert [step.to_state for step in job.transitions.all()] == ["queued", "preparing"]
    assert [attempt.outcome for attempt in job.attempts.all()] == ["lost", "running"]
    assert launched == [job.pk]
