"""Brings jobs and this machine together. A tick is short, may be lost, repeated or doubled, and does no harm.

The job's row is the queue; django-q2 only rings. What lives and what does not is asked of the engine, which knows it
from the kernel; all changes are conditional updates, of which one succeeds however many ticks try.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from .checking import revive
from .database_away import AWAY
from .engines.base import Engine, Status
from .engines.local import LocalEngine
from .fetching import models_first, see_to_models
from .models import ON_A_MACHINE, Job
from .nodes import closed, end_if_orphan
from .outcomes import conclude_anyhow
from .queueing import in_order
from .trials import see_to_idle

logger = logging.getLogger(__name__)

LOST = timedelta(minutes=5)
"""After its lease has run out, how long another machine may be silent: it, or the database, may just be restarting."""
DYING = 1.0
"""Seconds that a tick waits for what it has ended to be gone."""


def tick() -> None:
    """Finish what has died here, start what is waiting, as far as there is room, and see to idle rehearsals."""
    end_if_orphan()
    engine = LocalEngine()
    reap(engine)
    see_to_models()
    while not closed() and engine.submit(models_first(in_order())):
        pass
    revive()
    see_to_idle()


def reap(engine: Engine) -> None:
    """Conclude the attempts of which nothing lives: on this machine as the engine says, on others by their leases."""
    on_a_machine = Job.objects.filter(state__in=ON_A_MACHINE)
    silent = on_a_machine.filter(lease_until__lt=timezone.now() - LOST)
    for job in silent.exclude(machine=settings.MACHINE_NAME):
        logger.warning("Job %s: nothing was heard of %s for minutes", job.pk, job.machine)
        conclude_anyhow(job)
    for job in on_a_machine.filter(machine=settings.MACHINE_NAME):
        try:
            _see_to(job, engine)
        except AWAY:
            raise
        except OSError:  # the other jobs are not to wait for this one, which the next tick sees to again
            logger.exception("Job %s could not be seen to", job.pk)


def _see_to(job: Job, engine: Engine) -> None:
    status = engine.poll(job)
    if status is Status.UNWATCHED:
        engine.stop(job)
        status = _soon(job, engine)
    if status is Status.GONE:
        logger.warning("Job %s: its processes are gone", job.pk)
        conclude_anyhow(job)


def _soon(job: Job, engine: Engine) -> Status:
    until = time.monotonic() + DYING
    while (status := engine.poll(job)) is Status.UNWATCHED and time.monotonic() < until:
        time.sleep(0.05)
    return status
