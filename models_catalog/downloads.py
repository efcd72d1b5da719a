"""Fetches a model from the hub, says how far it is, and puts what goes wrong in plain words."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import humanize
from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from huggingface_hub import HfApi, snapshot_download
from tqdm import tqdm  # type: ignore[import-untyped]  # has no types

from finetune_site.problems import Problem, new_reference
from jobs.rulebook.findings import Finding

from . import refusals
from .cache import cache_state
from .hub_access import PATIENCE, plain_words, token
from .hub_files import repository_folder, wanted
from .looks import start_look
from .models import BaseModel, Download
from .refusals import refuse

logger = logging.getLogger(__name__)

OnProgress = Callable[[int, int | None], None]
EVERY = 0.5
"""Seconds between two words on progress."""
SPARE = 512 * 1024**2
"""Bytes of the disk that a download leaves free."""


def fetch(download_id: int) -> None:
    """A task of the queue: do one download and write how it goes in its row. Repeating it does no harm."""
    if not _claim(download_id):
        return
    row = Download.objects.filter(pk=download_id)
    model = row.select_related("model").get().model
    try:
        fetch_model(model, lambda done, total: _write(download_id, done, total))
    except Exception as error:
        finding = _finding(error, model)
        row.update(state=Download.State.FAILED, error=finding.as_dict(), finished_at=timezone.now())
    else:
        row.update(state=Download.State.DONE, error=None, finished_at=timezone.now())
        start_look(model)


def on_its_way(models: Iterable[tuple[int | None, str | None]]) -> set[tuple[int | None, str | None]]:
    """Of models, each a key with a revision or None, those whose download is under way or will go on by itself."""
    active = Download.objects.filter(state__in=Download.ACTIVE).values_list("model", "revision")
    under_way = {(model, revision or "main") for model, revision in active}
    return {(model, revision) for model, revision in models if (model, revision or "main") in under_way}


class ComesLater(Problem):
    """A download waits for the network, the hub or the disk to recover, and will go on at `not_before`."""

    def __init__(self, finding: Finding, not_before: datetime) -> None:
        super().__init__(finding.message, [finding])
        self.not_before = not_before


def _claim(download_id: int) -> bool:
    """One conditional UPDATE: of two deliveries of the task, one finds nothing to claim."""
    silent = Q(state=Download.State.RUNNING, touched_at__lt=timezone.now() - timedelta(seconds=20 * EVERY))
    waiting = Download.objects.filter(Q(state=Download.State.QUEUED) | silent, pk=download_id)
    now = timezone.now()
    return waiting.update(state=Download.State.RUNNING, started_at=now, touched_at=now, error=None) == 1


def _write(download_id: int, done: int, total: int | None) -> None:
    row = Download.objects.filter(pk=download_id)
    row.update(bytes_done=done, bytes_total=total, touched_at=timezone.now())


def fetch_model(model: BaseModel, on_progress: OnProgress, revision: str | None = None) -> Path:
    """Download a model unless it is at hand; answers with its folder.

    `on_progress` hears bytes done and in all, about twice a second; raising in it stops the download.
    Raises `Problem` with one finding for everything that a person can mend.
    """
    state = cache_state(model, revision)
    if state.folder:
        on_progress(state.bytes_on_disk, state.bytes_on_disk)
        return state.folder
    if model.source == BaseModel.Source.LOCAL:
        raise refuse(refusals.local_model(model.name))
    with plain_words(model, revision or "main"):
        plan = _plan(model, revision)
        _refuse_full_disk(model, plan)
        folder = _download(plan, on_progress)
    _remember_size(model, plan)
    return folder


@dataclass(frozen=True)
class Plan:
    """Which files of a repository are needed; `blobs` maps the name of each content in the cache to its size."""

    name: str
    revision: str
    paths: list[str]
    blobs: Mapping[str, int]
    gated: bool

    @property
    def total(self) -> int:
        return sum(self.blobs.values())

    @property
    def done(self) -> int:
        """Bytes that have arrived; content still under way lies in a file of the same name and more."""
        folder = repository_folder(Path(settings.HUB_CACHE_DIR), self.name) / "blobs"
        return sum(min(_arrived(folder, blob), size) for blob, size in self.blobs.items())


def _arrived(folder: Path, blob: str) -> int:
    try:
        return max((file.stat().st_size for file in folder.glob(f"{blob}*")), default=0)
    except OSError:  # it was just renamed
        return 0


def _plan(model: BaseModel, revision: str | None) -> Plan:
    api = HfApi(token=token())
    info = api.model_info(model.name, revision=revision, files_metadata=True, timeout=PATIENCE)
    needed = [file for file in info.siblings or [] if wanted(file.rfilename)]
    if not any(file.rfilename.endswith(".safetensors") for file in needed):
        raise refuse(refusals.unsafe(model.name))
    blobs = {file.lfs.sha256 if file.lfs else file.blob_id or file.rfilename: file.size or 0 for file in needed}
    return Plan(model.name, revision or "main", [file.rfilename for file in needed], blobs, bool(info.gated))


def _refuse_full_disk(model: BaseModel, plan: Plan) -> None:
    needed, free = plan.total - plan.done, shutil.disk_usage(settings.HUB_CACHE_DIR).free
    if needed + SPARE > free:
        sizes = {"needed": humanize.naturalsize(needed), "free": humanize.naturalsize(free)}
        raise refuse(refusals.no_space(model.name, sizes))


def _download(plan: Plan, on_progress: OnProgress) -> Path:
    """Download in a thread of its own, so that progress is heard even while the hub is silent."""
    stop = threading.Event()
    with ThreadPoolExecutor(1, "download") as thread:
        future = thread.submit(_snapshot, plan, stop)
        try:
            while not _ended(future):
                on_progress(plan.done, plan.total)
        except BaseException:
            stop.set()
            raise
        folder = future.result()
    on_progress(plan.total, plan.total)
    return folder


def _ended(future: Future[Path]) -> bool:
    try:
        future.exception(EVERY)
    except NotYet:
        return future.done()
    return True


def _snapshot(plan: Plan, stop: threading.Event) -> Path:
    return Path(
        snapshot_download(
            plan.name,
            revision=plan.revision,
            cache_dir=settings.HUB_CACHE_DIR,
            allow_patterns=plan.paths,
            token=token(),
            etag_timeout=PATIENCE,
            tqdm_class=_bar(stop),
        )
    )


class Interrupted(Exception):
    """Raised inside the hub's library to end a download that nobody waits for."""


def _bar(stop: threading.Event) -> type[tqdm[Any]]:
    """A progress bar that shows nothing; it is the library's only way to be stopped."""

    class Silent(tqdm):  # type: ignore[misc]  # has no types
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*args, **(options | {"disable": True}))

        def update(self, n: float | None = 1) -> bool:
            if stop.is_set():
                raise Interrupted
            return bool(super().update(n))

    return Silent


def _remember_size(model: BaseModel, plan: Plan) -> None:
    """What the hub says now beats what the catalogue was seeded with."""
    BaseModel.objects.filter(pk=model.pk).update(size_bytes=plan.total, gated=plan.gated)


def _finding(error: Exception, model: BaseModel) -> Finding:
    """What the row of a failed download says; an error of ours is logged under a reference."""
    if isinstance(error, Problem) and error.findings:
        return error.findings[0]
    reference = new_reference()
    logger.exception("Download of %s failed unexpectedly, reference %s", model.name, reference)
    return refusals.unexpected(model.name, reference)
