"""Brings jobs and this machine together. A tick is short, may be lost, repeated or doubled, and does no harm.

The job's row is the queue; django-q2 only rings. Each attempt runs in a process of its own (`manage.py supervise`)
that outlives the queue's workers. While it or its trainer lives, it holds the lock of the run folder, which the
kernel takes back when they die: that, not a process number, says whether a job is alive on this machine.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from finetune_site.environment import ROOT

from .checking import revive
from .machine import cards, place_count
from .models import ON_A_MACHINE, Job, Place
from .nodes import closed, end_if_orphan
from .outcomes import conclude, explain, fail
from .queueing import in_order, pick
from .run_folder import RunFolder, hold
from .services import claim
from .trials import see_to_idle

logger = logging.getLogger(__name__)

LOST = timedelta(minutes=5)
"""After its lease has run out, how long another machine may be silent: it, or the database, may just be restarting."""


def tick() -> None:
    """Finish what has died here, start what is waiting, as far as there is room, and see to idle rehearsals."""
    end_if_orphan()
    reap()
    while not closed() and start_one():
        pass
    revive()
    see_to_idle()


def reap() -> None:
    """End the attempts whose processes are gone: on this machine by their locks, on others by their leases."""
    on_a_machine = Job.objects.filter(state__in=ON_A_MACHINE)
    for job in on_a_machine.exclude(machine=settings.MACHINE_NAME).filter(lease_until__lt=timezone.now() - LOST):
        logger.warning("Job %s: nothing was heard of %s for minutes", job.pk, job.machine)
        conclude(job, exit_code=None)
    for job in on_a_machine.filter(machine=settings.MACHINE_NAME):
        lock = hold(RunFolder(job.run_dir))
        if lock is not None:
            logger.warning("Job %s: its processes are gone", job.pk)
            conclude(job, exit_code=None)
            os.close(lock)
        elif job.lease_until and job.lease_until < timezone.now():
            _end_orphan(job)


def _end_orphan(job: Job) -> None:
    """End a trainer that has lost its supervisor; the next tick then finds its lock free."""
    try:
        pid = int(RunFolder(job.run_dir).trainer_pid.read_text())
        os.killpg(pid, signal.SIGKILL)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return
    logger.warning("Job %s: ended its trainer, which nobody watched any more", job.pk)


def start_one() -> bool:
    """Claim and start a job; False when there is none, or no room."""
    taken = Place.objects.filter(machine=settings.MACHINE_NAME).values_list("slot", flat=True)
    found = pick(in_order(), cards(), set(range(place_count())) - set(taken))
    if found is None:
        return False
    job, slots = found
    with transaction.atomic():  # nobody sees the claim before its lock is held
        if not claim(job, settings.MACHINE_NAME, slots):
            return True
        try:
            shutil.rmtree(job.run_dir, ignore_errors=True)  # whatever lies there is of another database
            lock = hold(RunFolder(job.run_dir))
        except OSError as error:
            fail(job, explain(error).as_dict())
            return True
    if lock is not None:
        try:
            launch(job, lock)
        finally:
            os.close(lock)
    return True


def launch(job: Job, lock: int) -> None:
    """Start the supervisor of an attempt in a session of its own, as nobody's child.

    The shell between us and it ends at once, so that neither its death nor our way of treating dead children
    can touch the other.
    """
    arguments = [str(ROOT / "manage.py"), "supervise", str(job.pk), str(job.attempt), "--lock", str(lock)]
    with (job.run_dir / "supervisor.log").open("ab") as log:
        subprocess.run(  # noqa: S603 - our own interpreter and file; numbers are all that varies
            ["/bin/sh", "-c", '"$@" &', "sh", sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[lock],
            check=True,
        )
