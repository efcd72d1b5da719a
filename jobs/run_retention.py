"""How long what a run leaves on the disk is kept. Rows in the database, logs and journals stay for good.

First go what only a run that goes on needs: checkpoints, and the copy of the rows that it trained on. Much later, if an
administrator wants that at all, go the weights that came out.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from .models import ACTIVE, ENDED, Job
from .run_folder import RunFolder, hold

logger = logging.getLogger(__name__)

JOBS_AT_ONCE = 500


def tidy_runs() -> None:
    """Delete what is over its time. A run of which anything lives is left alone, whatever its row says."""
    environment = settings.ENVIRONMENT
    if environment.run_days:
        _for_each_over(environment.run_days, _drop_working_files)
    if environment.result_days:
        _for_each_over(environment.result_days, _drop_results)


def _for_each_over(days: int, drop: Callable[[Job], bool]) -> None:
    before = timezone.now() - timedelta(days=days)
    for job in _ended(before):
        lock = hold(RunFolder(job.run_dir))
        if lock is None:
            continue
        try:
            if drop(job):
                logger.info("Job %s ended over %s days ago: %s", job.pk, days, drop.__doc__)
        finally:
            os.close(lock)


def _ended(before: datetime) -> Iterator[Job]:
    """Jobs with a folder here that ended before a moment and that no other job goes on from."""
    numbers = (int(entry.name) for entry in os.scandir(settings.RUNS_DIR) if entry.name.isdecimal())
    while some := list(islice(numbers, JOBS_AT_ONCE)):
        jobs = Job.objects.filter(pk__in=some, state__in=ENDED, finished_at__lt=before)
        yield from jobs.exclude(pk__in=_gone_on_from(some))


def _gone_on_from(numbers: list[int]) -> list[int]:
    going_on = Job.objects.filter(continued_from__in=numbers, state__in=ACTIVE)
    return [number for number in going_on.values_list("continued_from", flat=True) if number]


def _attempts(job: Job) -> Iterator[RunFolder]:
    folders = (entry for entry in os.scandir(job.run_dir.parent) if entry.name.isdecimal())
    return (RunFolder(Path(entry.path)) for entry in folders)


def _drop_working_files(job: Job) -> bool:
    """its checkpoints and training rows were deleted."""
    dropped = False
    for folder in _attempts(job):
        if folder.checkpoints.exists() or folder.train_file.exists():
            shutil.rmtree(folder.checkpoints, ignore_errors=True)
            folder.train_file.unlink(missing_ok=True)
            dropped = True
    return dropped


def _drop_results(job: Job) -> bool:
    """the weights that came out of it were deleted."""
    if not job.result.get("artifacts"):
        return False
    result = {**job.result, "artifacts": [], "deleted_at": timezone.now().isoformat()}
    Job.objects.filter(pk=job.pk, state__in=ENDED).update(result=result)  # first: a page lists no file that is gone
    for folder in _attempts(job):
        shutil.rmtree(folder.output, ignore_errors=True)
    return True
