"""Small chores that nobody else does, once a day."""

from __future__ import annotations

import shutil
import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from django_q.models import Failure

from datasets_app.accounting import forget_old
from datasets_app.resumable import forget_abandoned
from datasets_app.retention import delete_unused
from jobs.models import Rehearsal, Trial

DAY = 24 * 3600.0
KEEP_FAILURES = timedelta(days=30)
KEEP_TRIALS = timedelta(days=1)
KEEP_REHEARSALS = timedelta(days=90)


class Housekeeping:
    def __init__(self) -> None:
        self._due = time.monotonic()

    def do_when_due(self) -> None:
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + DAY
        call_command("clearsessions")
        Failure.objects.filter(stopped__lt=timezone.now() - KEEP_FAILURES).delete()  # django-q keeps them for ever
        remove_torn_uploads()
        forget_abandoned()
        forget_old_rehearsals()
        forget_old()
        delete_unused()


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
