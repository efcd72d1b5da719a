"""This machine as an engine: a shim for each attempt, and locks that tell what lives."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import psutil
from django.conf import settings
from django.db import transaction

from finetune_site.detached import start_detached
from finetune_site.environment import ROOT
from jobs.leases import STARTING, grant, seconds_past
from jobs.locks import hold_place, holders
from jobs.machine import cards, place_count
from jobs.models import Job, Place
from jobs.outcomes import explain, postpone
from jobs.queueing import pick
from jobs.run_folder import Event, RunFolder, hold
from jobs.services import claim

from .base import Status

logger = logging.getLogger(__name__)

LAST_GRACE = 120.0
"""Seconds after the end of its lease that a trainer without a shim has for its last checkpoint."""
CANCEL_GRACE = 6.0
"""The same when somebody waits for its end."""


class LocalEngine:
    def submit(self, queue: Sequence[Job]) -> Job | None:
        """Passes over a job of which something still lives, whatever the database says."""
        waiting = list(queue)
        with _free_places() as places:
            while found := pick(waiting, cards(), places):
                job, slots = found
                if _start(job, slots, [places[slot] for slot in slots]):
                    return job
                waiting.remove(job)
        return None

    def poll(self, job: Job) -> Status:
        folder = RunFolder(job.run_dir)
        lock = hold(folder)
        if lock is not None:
            os.close(lock)
            return Status.GONE
        return Status.WATCHED if seconds_past(folder.lease) < 0 else Status.UNWATCHED

    def stop(self, job: Job) -> None:
        """A shim that lost its lease is frozen or hung: it goes at once, its trainer after its last checkpoint.

        Processes are known by the lock they hold and what they are, never by a number alone.
        """
        folder = RunFolder(job.run_dir)
        patient = seconds_past(folder.lease) < (CANCEL_GRACE if job.cancel_requested else LAST_GRACE)
        for pid in holders(folder.lock):
            if _is_shim(pid, job):
                logger.warning("Job %s: ended its shim %d, which lost its lease", job.pk, pid)
                folder.journal.note("shim ended, for its lease had passed", attempt=job.attempt, shim=pid)
                _send(pid, signal.SIGKILL)
            elif _is_of_trainer(pid, folder):
                for number in (signal.SIGTERM, signal.SIGCONT) if patient else (signal.SIGKILL,):
                    _send(pid, number)

    def give_back(self, job: Job) -> None:
        """Ask the shim to end its attempt at a checkpoint; the job then waits in the queue again."""
        for pid in holders(RunFolder(job.run_dir).lock):
            if _is_shim(pid, job):
                _send(pid, signal.SIGTERM)

    def follow(self, job: Job, cursor: int) -> tuple[list[Event], int]:
        return RunFolder(job.run_dir).events(cursor)


@contextmanager
def _free_places() -> Iterator[dict[int, int]]:
    """The places that neither the database nor the kernel knows to be taken, with the descriptors of their locks."""
    taken = set(Place.objects.filter(machine=settings.MACHINE_NAME).values_list("slot", flat=True))
    with ExitStack() as held:
        places = {}
        for slot in set(range(place_count())) - taken:
            if (lock := hold_place(slot)) is not None:
                held.callback(os.close, lock)
                places[slot] = lock
        yield places


def _start(job: Job, slots: Sequence[int], place_locks: Sequence[int]) -> bool:
    """Claim a job and start its shim, which inherits the locks; False when somebody else has it.

    The lock is taken before the claim: from then on nobody can find the job claimed and without a process, unless
    that is so.
    """
    try:
        if (lock := hold(RunFolder(job.run_dir))) is None:
            return False
        with ExitStack() as held:
            held.callback(os.close, lock)
            with transaction.atomic():
                if not claim(job, settings.MACHINE_NAME, slots):
                    return False
                _make_folder(RunFolder(job.run_dir))
            _launch(job, [lock, *place_locks])
    except OSError as error:  # a full disk, or no more processes
        logger.exception("Job %s could not be started", job.pk)
        job.refresh_from_db()
        postpone(job, explain(error))
    return True


def _make_folder(folder: RunFolder) -> None:
    shutil.rmtree(folder.path, ignore_errors=True)  # whatever lies there is of another database
    folder.path.mkdir(parents=True)
    grant(folder.lease, STARTING)


def _launch(job: Job, locks: Sequence[int]) -> None:
    manage = [sys.executable, str(ROOT / "manage.py")]
    command = [*manage, "supervise", str(job.pk), str(job.attempt), "--locks", *map(str, locks)]
    start_detached(command, log=RunFolder(job.run_dir).shim_log, pass_fds=locks)


def _is_shim(pid: int, job: Job) -> bool:
    with suppress(psutil.Error):
        return f" supervise {job.pk} {job.attempt} " in f"{' '.join(psutil.Process(pid).cmdline())} "
    return False


def _is_of_trainer(pid: int, folder: RunFolder) -> bool:
    with suppress(OSError, ValueError):
        return os.getpgid(pid) == int(folder.trainer_pid.read_text())
    return False


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
