"""Has models looked into that were not: fetches their small files first where those are not here."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django_q.tasks import async_task
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.hf_api import ModelInfo

from finetune_site.problems import Problem, new_reference
from jobs.rulebook.findings import Finding
from jobs.warm.client import Unanswered, is_warm

from . import refusals
from .cache import cache_state
from .hub_access import PATIENCE, plain_words, token
from .hub_files import HUB_ID, Listed, is_small, repository_folder, tree, wanted
from .inspections import Inspected, found_in, inspect_folder, key_of
from .models import BaseModel, Inspection, Look
from .refusals import error, refuse

logger = logging.getLogger(__name__)

WITHIN_A_CHECK = 1.5
"""Seconds a check may wait for a look; warm, most models take a tenth of that."""
SILENT = timedelta(minutes=10)
"""After this long without an end, the worker of a look counts as dead."""
AGAIN_AFTER = timedelta(minutes=2)
"""A look that the hub refused is tried again after this long; one whose files broke it, when they change."""
LARGEST_FILE, LARGEST_IN_ALL = 48 * 1024**2, 96 * 1024**2
"""Bytes. Most models have a few MB of small files; the largest tokenizers 35."""
OFFLINE = "catalogue.not-looked-into"
REFUSED = {f"catalogue.{code}" for code in ("gated", "not-found", "no-revision", "no-config", "unsafe")}


@dataclass(frozen=True)
class Standing:
    """Whether a model was looked into: `at hand`, `under way` or `impossible`, and then why.

    Of a model of the hub also the commit that was looked into, and all files of it, fetched or not.
    """

    state: str
    reason: str = ""
    inspected: Inspected | None = None
    commit: str = ""
    files: Mapping[str, Listed] = field(default_factory=dict)


def standing(model: BaseModel, revision: str | None = None) -> Standing:
    """How it stands, after a look was started where one is due."""
    folder = cache_state(model, revision).described_in
    if folder and (inspected := found_in(folder)):
        if model.source == BaseModel.Source.LOCAL:
            return Standing("at hand", inspected=inspected)
        files = tree(repository_folder(Path(settings.HUB_CACHE_DIR), model.name), folder.name) or {}
        return Standing("at hand", "", inspected, folder.name, files)
    if finding := why_not(model, revision):
        return Standing("impossible", finding.message)
    start_look(model, revision)
    return Standing("under way")


def why_not(model: BaseModel, revision: str | None = None) -> Finding | None:
    """Why a model that was not looked into will not be for now; None when it will."""
    if finding := _cannot_look(model, cache_state(model, revision).described_in):
        return finding
    latest = _latest(model, revision)
    if latest is None or latest.error is None or _is_due(latest, model, revision):
        return None
    return error(latest.error["code"].partition(".")[2], latest.error["field"], latest.error["message"])


def what_hinders(model: BaseModel, revision: str | None = None) -> dict[str, str]:
    """The same as facts: what the hub refuses for good, and what else keeps a model from being looked into.

    That the portal is offline is a fact of its own.
    """
    finding = why_not(model, revision)
    if finding is None or finding.code == OFFLINE:
        return {"uninspected": "", "unfetchable": ""}
    refused = finding.code in REFUSED
    return {
        "uninspected": "" if refused else finding.message,
        "unfetchable": finding.message if refused else "",
    }


def look_now_or_soon(model: BaseModel, revision: str | None = None) -> None:
    """Within a check: look at files that are here when the warm process is quick, else have it done meanwhile."""
    folder = cache_state(model, revision).described_in
    if found_in(folder):
        return
    if folder and is_warm() and not _has_tried(model, revision, folder):
        try:
            inspect_folder(folder, seconds=WITHIN_A_CHECK)
        except Unanswered as failed:
            logger.info("%s was not inspected within a check: %s", model, failed)
        else:
            return
    start_look(model, revision)


def start_look(model: BaseModel, revision: str | None = None, *, again: bool = False) -> Look | None:
    """Have a model looked into in the queue of checks; None when that is done, or cannot be.

    One look at a time for each revision. A failed one is not repeated at once, unless `again` says so.
    """
    folder = cache_state(model, revision).described_in
    if found_in(folder) or _cannot_look(model, folder):
        return None
    look, is_new = _row(model, revision)
    if not is_new and not (_is_due(look, model, revision) or (again and not look.is_active)):
        return look
    claimed = Look.objects.filter(pk=look.pk, touched_at=look.touched_at).update(
        state=Look.State.QUEUED, error=None, touched_at=timezone.now()
    )
    if claimed:
        transaction.on_commit(lambda: async_task("models_catalog.looks.look", look.pk, cluster=settings.CHECK_QUEUE))
    return look


def _cannot_look(model: BaseModel, folder: Path | None) -> Finding | None:
    """What keeps a model from being looked into, as far as can be told without asking the hub."""
    if folder is not None:
        return None
    if model.source == BaseModel.Source.LOCAL or not HUB_ID.fullmatch(model.name):
        return refusals.local_model(model.name)
    return refusals.not_looked_into(model.name) if settings.ENVIRONMENT.offline else None


def _latest(model: BaseModel, revision: str | None) -> Look | None:
    return Look.objects.filter(model=model, revision=revision or "").first()


def _row(model: BaseModel, revision: str | None) -> tuple[Look, bool]:
    try:
        with transaction.atomic():
            return Look.objects.get_or_create(model=model, revision=revision or "")
    except IntegrityError:
        return Look.objects.get(model=model, revision=revision or ""), False


def _is_due(look: Look, model: BaseModel, revision: str | None) -> bool:
    age = timezone.now() - look.touched_at
    if look.is_active:
        return age > SILENT
    if look.state == Look.State.FAILED and not look.key:
        return age > AGAIN_AFTER
    folder = cache_state(model, revision).described_in  # files, libraries or code have changed, or it was done and lost
    return folder is None or look.state == Look.State.DONE or key_of(folder) != look.key


def _has_tried(model: BaseModel, revision: str | None, folder: Path) -> bool:
    """A look at these very files has failed or is under way: a check does not wait for another."""
    latest = _latest(model, revision)
    return latest is not None and (latest.is_active or (latest.key == key_of(folder)))


# The task


def look(look_id: int) -> None:
    """A task of the queue: fetch the small files if need be, and look into them. Repeating it does no harm."""
    if not _claim(look_id):
        return
    row = Look.objects.select_related("model").get(pk=look_id)
    try:
        look_into(row.model, row.revision or None)
    except Exception as failure:
        _end(row, Look.State.FAILED, _finding(failure, row.model))
    else:
        _end(row, Look.State.DONE)


def look_into(model: BaseModel, revision: str | None = None) -> Inspection:
    """Fetch the small files if need be, and look into them. Raises `Problem` or `Unanswered`."""
    finding = _cannot_look(model, folder := cache_state(model, revision).described_in)
    if finding:
        raise refuse(finding)
    return inspect_folder(folder or fetch_small_files(model, revision), fresh=True)


def _end(look: Look, state: Look.State, finding: Finding | None = None) -> None:
    folder = cache_state(look.model, look.revision or None).described_in
    Look.objects.filter(pk=look.pk).update(
        state=state,
        error=finding.as_dict() if finding else None,
        key=key_of(folder) if folder and finding else "",
        touched_at=timezone.now(),
    )


def _claim(look_id: int) -> bool:
    silent = Q(state=Look.State.RUNNING, touched_at__lt=timezone.now() - SILENT)
    waiting = Look.objects.filter(Q(state=Look.State.QUEUED) | silent, pk=look_id)
    return waiting.update(state=Look.State.RUNNING, touched_at=timezone.now()) == 1


def fetch_small_files(model: BaseModel, revision: str | None = None) -> Path:
    """Fetch what tells about a model and leave its weights; answers with the folder. Raises `Problem`.

    The hub's library notes the commit, and names, sizes and hashes of all its files.
    """
    with plain_words(model, revision or "main"):
        info = HfApi(token=token()).model_info(model.name, revision=revision, files_metadata=True, timeout=PATIENCE)
        _remember(model, info)
        folder = Path(
            snapshot_download(
                model.name,
                revision=revision or "main",
                cache_dir=settings.HUB_CACHE_DIR,
                allow_patterns=_small_files(info),
                token=token(),
                etag_timeout=PATIENCE,
            )
        )
    if not (folder / "config.json").is_file():
        raise refuse(refusals.no_config(model.name))
    return folder


def _small_files(info: ModelInfo) -> list[str]:
    """config.json first, then by size, until the limit is reached."""
    files = [file for file in info.siblings or [] if is_small(file.rfilename) and (file.size or 0) <= LARGEST_FILE]
    files.sort(key=lambda file: (file.rfilename != "config.json", file.size or 0))
    chosen, total = [], 0
    for file in files:
        total += file.size or 0
        if total <= LARGEST_IN_ALL:
            chosen.append(file.rfilename)
    return chosen


def _remember(model: BaseModel, info: ModelInfo) -> None:
    """What the hub says about size and licence beats what the catalogue was seeded with."""
    sizes = [file.size or 0 for file in info.siblings or [] if wanted(file.rfilename)]
    known = {"size_bytes": sum(sizes)} if sum(sizes) else {}
    BaseModel.objects.filter(pk=model.pk).update(gated=bool(info.gated), **known)


def _finding(error: Exception, model: BaseModel) -> Finding:
    """What the row of a failed look says; an error of ours is logged under a reference."""
    if isinstance(error, Problem) and error.findings:
        return error.findings[0]
    if isinstance(error, Unanswered):
        return refusals.not_inspected(model.name, str(error))
    reference = new_reference()
    logger.exception("Looking into %s failed unexpectedly, reference %s", model.name, reference)
    return refusals.unexpected(model.name, reference)
