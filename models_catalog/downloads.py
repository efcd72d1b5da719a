"""Asking for a model's files: one download for each model and revision, which all who ask for it share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from finetune_site.problems import Problem
from jobs.database_away import keep_trying
from jobs.rulebook.findings import Finding, Severity

from . import refusals
from .cache import cache_state
from .download_plan import REVISION
from .download_process import EVERY, ring
from .download_ticks import tick
from .models import BaseModel, Download
from .refusals import refuse

Heard = Callable[[Download], None]
AFTER_A_CANCEL = timedelta(minutes=1)
TICK_EVERY = 3.0
"""Seconds: whoever waits for a download sees to it himself, should nobody tick."""


class ComesLater(Problem):
    """A download waits for the network, the hub or the disk to recover, and will go on at `not_before`."""

    def __init__(self, finding: Finding, not_before: datetime) -> None:
        super().__init__(finding.message, [finding])
        self.not_before = not_before


def start_download(*, model: BaseModel, revision: str | None = None, by: User | None = None) -> Download:
    """Have a model fetched; answers with the download under way if there is one. Raises `Problem`."""
    revision = "" if revision is None or revision == "main" else revision
    if cache_state(model, revision or None).at_hand:
        return _finished(model, revision)
    if findings := list(_cannot_fetch(model, revision)):
        raise refuse(*findings)
    download = _under_way(model, revision, by)
    transaction.on_commit(ring)
    return download


def _cannot_fetch(model: BaseModel, revision: str) -> Iterator[Finding]:
    environment = settings.ENVIRONMENT
    if model.source == BaseModel.Source.LOCAL:
        yield refusals.local_model(model.name)
        return
    if revision and not REVISION.fullmatch(revision):
        yield refusals.no_revision(model.name, revision)
    if environment.offline:
        yield refusals.offline(model.name)
    if model.gated and not environment.hub_token:
        yield refusals.gated(model.name, has_token=False)


def _under_way(model: BaseModel, revision: str, by: User | None) -> Download:
    """The active download of a revision, or a new one; a constraint lets only one be made."""
    active = Download.objects.filter(model=model, revision=revision, state__in=Download.ACTIVE)
    if found := active.first():
        return found
    size = None if revision else model.size_bytes
    try:
        with transaction.atomic():
            return Download.objects.create(model=model, revision=revision, asked_by=by, bytes_total=size)
    except IntegrityError:
        return active.first() or Download.objects.filter(model=model, revision=revision).latest("created_at")


def _finished(model: BaseModel, revision: str) -> Download:
    done = Download.objects.filter(model=model, revision=revision, state=Download.State.DONE).first()
    size = cache_state(model, revision or None).bytes_on_disk
    return done or Download.objects.create(
        model=model,
        revision=revision,
        state=Download.State.DONE,
        bytes_done=size,
        bytes_total=size,
        finished_at=timezone.now(),
    )


def active_download(*, model: BaseModel, revision: str = "") -> Download:
    """The download of a model that is under way. Raises `Problem`."""
    wanted = "" if revision == "main" else revision
    found = Download.objects.filter(model=model, revision=wanted, state__in=Download.ACTIVE).first()
    if found is None:
        raise refuse(refusals.not_under_way(model.name), status=409)
    return found


def try_now(download: Download) -> None:
    """Have one that waits for better times tried at once."""
    waiting = Download.objects.filter(pk=download.pk, state=Download.State.WAITING)
    if waiting.update(not_before=timezone.now()):
        transaction.on_commit(ring)


def may_cancel(download: Download, user: User) -> bool:
    """Whoever asked for it, and staff."""
    return user.is_staff or download.asked_by_id == user.pk


def cancel_download(*, download: Download, by: User, drop: bool = False) -> Download:
    """Cancel a download; with `drop` what has arrived is deleted. Raises `Problem`.

    One that runs is stopped by its own process within a second. Jobs that need the model fetch it when their turn
    comes.
    """
    if not may_cancel(download, by):
        raise refuse(refusals.not_yours(download.model.name), status=403)
    with transaction.atomic():
        row = Download.objects.select_for_update().filter(pk=download.pk, state__in=Download.ACTIVE)
        idle = row.exclude(state=Download.State.RUNNING)
        ended = idle.update(state=Download.State.CANCELLED, drop_partial=drop, finished_at=timezone.now())
        if not (ended or row.update(cancel_requested=True, drop_partial=drop)):
            raise refuse(refusals.not_under_way(download.model.name), status=409)
        transaction.on_commit(ring)
    download.refresh_from_db()
    return download


def drop_arrived(*, download: Download, by: User) -> None:
    """Have deleted what an ended download has left. Raises `Problem`."""
    if not may_cancel(download, by):
        raise refuse(refusals.not_yours(download.model.name), status=403)
    Download.objects.filter(pk=download.pk, state__in=Download.BROKEN_OFF).update(drop_partial=True)
    transaction.on_commit(ring)


def on_its_way(models: Iterable[tuple[int | None, str | None]]) -> set[tuple[int | None, str | None]]:
    """Of models, each a key with a revision or None, those whose download is under way or will go on by itself."""
    active = Download.objects.filter(state__in=Download.ACTIVE).values_list("model", "revision")
    under_way = {(model, revision or "main") for model, revision in active}
    return {(model, revision) for model, revision in models if (model, revision or "main") in under_way}


def bring_model(model: BaseModel, revision: str | None, by: User | None, heard: Heard) -> Path:
    """The folder of a model, which is downloaded first unless it is at hand.

    `heard` is told how the download stands, about twice a second; raising in it ends the waiting, not the download.
    Raises `ComesLater` when it has to wait for better times, and `Problem` when it has failed.
    """
    if folder := cache_state(model, revision).folder:
        return folder
    download = keep_trying(lambda: start_download(model=model, revision=revision, by=by))
    ticked = 0.0
    while download.is_active:
        heard(download)
        if download.state == Download.State.WAITING:
            raise _later(download)
        if time.monotonic() - ticked > TICK_EVERY:
            keep_trying(tick)
            ticked = time.monotonic()
        time.sleep(EVERY)
        keep_trying(download.refresh_from_db)
    return _brought(download, cache_state(model, revision).folder)


def _brought(download: Download, folder: Path | None) -> Path:
    """Where it lies now. Raises `Problem`; whoever waits for one that somebody cancelled may ask for another later."""
    if folder is not None:
        return folder
    if download.state == Download.State.CANCELLED:
        raise ComesLater(refusals.cancelled(download.model.name), timezone.now() + AFTER_A_CANCEL)
    raise refuse(finding_of(download))


def _later(download: Download) -> ComesLater:
    return ComesLater(finding_of(download), download.not_before or timezone.now())


def finding_of(download: Download) -> Finding:
    """What stands in its row, as a finding."""
    error = download.error or refusals.no_network(download.model.name).as_dict()
    return Finding(error["code"], Severity(error["severity"]), error["field"], error["message"])
