"""Stopping everything that trains on this machine in order, because the machine or its container is about to end."""

from __future__ import annotations

import time

from django.conf import settings

from .engines.base import Status
from .engines.local import LocalEngine
from .models import ON_A_MACHINE, Job

LOOK = 0.2


def give_all_back(seconds: float) -> list[int]:
    """Have each training write a checkpoint and its job wait in the queue; the jobs that live on after that time."""
    engine = LocalEngine()
    living = list(Job.objects.filter(state__in=ON_A_MACHINE, machine=settings.MACHINE_NAME))
    for job in living:
        engine.give_back(job)
    end = time.monotonic() + seconds
    while living := [job for job in living if engine.poll(job) is not Status.GONE]:
        if time.monotonic() > end:
            break
        time.sleep(LOOK)
    return [job.pk for job in living]
