"""Starts downloads that wait, and those whose process has died. A tick is short, may be lost or doubled.

Whether a process lives is told by the kernel's lock on the model in the cache, which the process inherits; two
revisions of one model share contents, so they are fetched one after the other.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psutil
from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from finetune_site.detached import start_detached
from finetune_site.environment import ROOT
from finetune_site.problems import new_reference
from jobs.run_folder import hold_file

from . import refusals
from .download_plan import drop_partial
from .download_process import BACKOFF, Fetch
from .hub_files import repository_folder
from .models import Download

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 4
"""Downloads of one machine. More would only share the line."""
SILENT = timedelta(minutes=1)
"""A process that holds its lock and says nothing for so long was stopped: it is ended, and another goes on."""
LOST = timedelta(minutes=10)
"""After this long another machine's download is ours."""


def tick() -> None:
    """See to every download of this machine."""
    for download in _here(Download.State.RUNNING):
        _see_to(download, _see_to_running)
    for download in Download.objects.filter(state__in=Download.BROKEN_OFF, drop_partial=True).select_related("model"):
        _see_to(download, _drop)
    free = MOST_AT_ONCE - _here(Download.State.RUNNING).count()
    for download in _due()[: max(0, free)]:
        _see_to(download, _start)


def _see_to(download: Download, act: Callable[[Download], None]) -> None:
    """A cache that cannot be written is no reason to leave the others alone."""
    try:
        act(download)
    except OSError as error:
        reference = new_reference()
        logger.error("%s could not be seen to, reference %s", download, reference, exc_info=error)
        finding = refusals.unexpected(download.model.name, reference)
        _change(download, state=Download.State.FAILED, error=finding.as_dict(), finished_at=timezone.now())


def _here(state: str) -> QuerySet[Download]:
    ours = Q(machine__in=("", settings.MACHINE_NAME)) | Q(touched_at__lt=timezone.now() - LOST)
    return Download.objects.filter(ours, state=state).select_related("model")


def _due() -> QuerySet[Download]:
    again = Q(state=Download.State.WAITING, not_before__lte=timezone.now())
    return Download.objects.filter(Q(state=Download.State.QUEUED) | again).select_related("model").order_by("pk")


def lock_file(model: str) -> Path:
    """Beside the library's own locks, which know nothing of each other's processes."""
    repository = repository_folder(Path(settings.HUB_CACHE_DIR), model)
    return repository.parent / ".locks" / repository.name / "foretune.lock"


def _see_to_running(download: Download) -> None:
    """Go on with what a dead process has left; end one that says nothing."""
    lock = hold_file(lock_file(download.model.name))
    if lock is None:
        if download.touched_at < timezone.now() - SILENT:
            _end_silent(download)
        return
    try:
        if download.cancel_requested:
            _change(download, state=Download.State.CANCELLED, bytes_reserved=0, finished_at=timezone.now())
        elif download.tries >= len(BACKOFF):
            _give_up(download)
        else:
            logger.warning("%s: its process is gone, another goes on", download)
            _launch(download, lock, tries=download.tries + 1)
    finally:
        os.close(lock)


def _end_silent(download: Download) -> None:
    """End its process. Where there is none, another revision holds the lock, and this one waits for it."""
    process = _process_of(download)
    if process is None:
        _change(download, state=Download.State.QUEUED)
        return
    logger.warning("%s: its process was silent for too long and is ended", download)
    process.kill()


def _process_of(download: Download) -> psutil.Process | None:
    """Known by what it was started as and by the lock it holds, never by a number alone."""
    lock = str(lock_file(download.model.name))
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.cmdline()[2:4] == ["download", str(download.pk)] and _holds(process, lock):
                return process
    return None


def _holds(process: psutil.Process, lock: str) -> bool:
    return any(opened.path == lock for opened in process.open_files())


def _give_up(download: Download) -> None:
    error = refusals.keeps_dying(download.model.name, download.tries).as_dict()
    _change(download, state=Download.State.FAILED, error=error, bytes_reserved=0, finished_at=timezone.now())


def _start(download: Download) -> None:
    lock = hold_file(lock_file(download.model.name))
    if lock is None:  # another revision of it is on its way
        return
    try:
        _launch(download, lock, tries=download.tries)
    finally:
        os.close(lock)


def _launch(download: Download, lock: int, *, tries: int) -> None:
    """Claim the row and start its process, which inherits the lock. Of two that try, the lock lets one."""
    now = timezone.now()
    claimed = {"machine": settings.MACHINE_NAME, "started_at": now, "touched_at": now, "not_before": None}
    if not _change(download, state=Download.State.RUNNING, tries=tries, **claimed):
        return
    command = [sys.executable, str(ROOT / "manage.py"), "download", str(download.pk), "--lock", str(lock)]
    start_detached(command, log=settings.LOGS_DIR / "downloads.log", pass_fds=[lock])


def _change(download: Download, **changes: object) -> bool:
    """One conditional UPDATE: nothing happens to a row that is no longer as it was."""
    same = Download.objects.filter(pk=download.pk, state=download.state, started_at=download.started_at)
    return same.update(**changes) == 1


def _drop(download: Download) -> None:
    """Delete what has arrived of a cancelled download, unless the model is on its way again."""
    lock = hold_file(lock_file(download.model.name))
    if lock is None:
        return
    try:
        if not Download.objects.filter(model=download.model, state__in=Download.ACTIVE).exists():
            freed = drop_partial(download.model.name)
            logger.info("%s: %d bytes were deleted", download, freed)
        Download.objects.filter(pk=download.pk).update(drop_partial=False, bytes_done=0)
    finally:
        os.close(lock)


def work(download_id: int, lock: int) -> None:
    """What the process does. It keeps `lock`, the descriptor it inherited, until it ends."""
    os.fstat(lock)
    download = Download.objects.filter(pk=download_id, state=Download.State.RUNNING).select_related("model").first()
    if download is not None:
        Fetch(download).run()
