"""Small chores that nobody else does, once a day."""

from __future__ import annotations

import logging
import shutil
import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from django_q.models import Failure, OrmQ
from django_q.tasks import async_task

from datasets_app.accounting import forget_old
from datasets_app.resumable import forget_abandoned
from datasets_app.retention import delete_unused
from jobs.models import Rehearsal, Trial
from jobs.run_retention import tidy_runs

logger = logging.getLogger(__name__)

DAY = 24 * 3600.0
LONGEST_LOG, KEPT_OF_LOG = 50_000_000, 10_000_000
"""Bytes."""
KEEP_FAILURES = timedelta(days=30)
KEEP_TRIALS = timedelta(days=1)
KEEP_REHEARSALS = timedelta(days=90)


class Housekeeping:
    """Rings for the chores. They are done by the queue, so that a long one holds nobody up."""

    def __init__(self) -> None:
        self._due = time.monotonic()

    def do_when_due(self) -> None:
        if time.monotonic() >= self._due:
            async_task("finetune_site.portal.housekeeping.clean_up", cluster=settings.Q_CLUSTER["name"], save=False)
            self._due = time.monotonic() + DAY


def clean_up() -> None:
    """All chores; one that fails leaves the others to be done."""
    for chore in CHORES:
        try:
            chore()
        except Exception:
            logger.exception("A chore failed: %s", chore.__name__)


def forget_sessions() -> None:
    call_command("clearsessions")


def forget_failed_tasks() -> None:
    """django-q keeps them for ever."""
    Failure.objects.filter(stopped__lt=timezone.now() - KEEP_FAILURES).delete()


def forget_unheard_rings() -> None:
    """They lie in the queues of machines that are gone for good."""
    OrmQ.objects.filter(key__startswith="train-", lock__lt=timezone.now() - timedelta(days=1)).delete()


def shorten_logs() -> None:
    """The processes append to them for months."""
    for path in Path(settings.LOGS_DIR).glob("*.log"):
        size = path.stat().st_size
        if size > LONGEST_LOG:
            with path.open("r+b") as log:
                log.seek(size - KEPT_OF_LOG)
                tail = log.read().partition(b"\n")[2]
                log.seek(0)
                log.write(tail)
                log.truncate()


def remove_torn_uploads() -> None:
    """What a process that was killed while it took in a file has left; one that still grows is younger."""
    for path in Path(settings.DATASETS_DIR).glob("*.part"):
        if path.stat().st_mtime < time.time() - DAY:
            path.unlink(missing_ok=True)


def forget_old_rehearsals() -> None:
    """Trials are asked about for a day. Rehearsals are of use as long as libraries, code and data stay the same."""
    Trial.objects.filter(created_at__lt=timezone.now() - KEEP_TRIALS).delete()
    Rehearsal.objects.filter(created_at__lt=timezone.now() - KEEP_REHEARSALS, jobs=None).delete()
    for folder in Path(settings.RUNS_DIR).glob("rehearsal-*"):
        if folder.stat().st_mtime < time.time() - DAY:
            shutil.rmtree(folder, ignore_errors=True)  # its process was killed


CHORES = (
    forget_sessions,
    forget_failed_tasks,
    forget_unheard_rings,
    shorten_logs,
    remove_torn_uploads,
    forget_abandoned,
    forget_old_rehearsals,
    forget_old,
    delete_unused,
    tidy_runs,
)
