"""What can be done to the catalogue: register a model, fetch one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.tasks import async_task

from jobs.rulebook.findings import Finding

from . import refusals
from .cache import cache_state
from .families import family_of
from .files import ModelFiles, read_folder
from .hub_files import HUB_ID
from .models import BaseModel, Download, ModelFamily
from .refusals import refuse

SILENT = timedelta(minutes=2)
"""After this long without a sign of life a download's worker counts as dead."""


def register_local(*, name: str, path: str, family: str | None = None) -> BaseModel:
    """Put a folder of this machine in the catalogue. Raises `Problem` with everything that is wrong."""
    findings = [*_wrong_name(name), *_wrong_family(family)]
    folder = _folder_under_roots(path)
    findings += [folder] if isinstance(folder, Finding) else _unusable(folder)
    if findings or isinstance(folder, Finding):
        raise refuse(*findings)
    files = read_folder(folder)
    return _added(
        BaseModel(
            name=name,
            source=BaseModel.Source.LOCAL,
            path=str(folder),
            family=_family(family, name, files.model_type),
            parameters=(files.modules.parameters if files.modules else 0) or None,
            size_bytes=files.bytes_on_disk,
            context_length=files.numbers.get("context_length"),
            supports_chat=files.has_template,
        )
    )


def register_hub(*, name: str, family: str | None = None) -> BaseModel:
    """Put a repository of the hub in the catalogue. Its size becomes known when it is fetched."""
    if findings := [*_wrong_name(name), *_wrong_family(family)]:
        raise refuse(*findings)
    return _added(BaseModel(name=name, family=_family(family, name)))


def _added(model: BaseModel) -> BaseModel:
    try:
        with transaction.atomic():
            model.save()
    except IntegrityError as error:
        raise refuse(refusals.name_taken(model.name)) from error
    return model


def _wrong_name(name: str) -> Iterator[Finding]:
    if not HUB_ID.fullmatch(name):
        yield refusals.wrong_name(name)
    elif BaseModel.objects.filter(name__iexact=name).exists():
        yield refusals.name_taken(name)


def _wrong_family(family: str | None) -> Iterator[Finding]:
    names = list(ModelFamily.objects.values_list("name", flat=True))
    if family and family not in names:
        yield refusals.unknown_family(family, difflib.get_close_matches(family, names, n=1))


def _family(family: str | None, name: str, model_type: str = "") -> ModelFamily:
    return ModelFamily.objects.get(name=family) if family else family_of(name, model_type)


def _folder_under_roots(path: str) -> Path | Finding:
    """The folder a path leads to once every link is followed, if it lies where models may lie."""
    try:
        folder = Path(path).resolve()
        if not Path(path).is_absolute():
            return refusals.no_folder(path)
        if not _under_roots(folder):
            return refusals.outside_roots(path)
        return folder if folder.is_dir() else refusals.no_folder(path)
    except (OSError, ValueError, RuntimeError):  # too long, holds a NUL, links in a circle
        return refusals.no_folder(path.replace("\0", "␀")[:200])


def _under_roots(path: Path) -> bool:
    return any(path.is_relative_to(root) for root in settings.LOCAL_ROOTS)


def _unusable(folder: Path) -> list[Finding]:
    """Everything that keeps a model in this folder from being trained safely."""
    files = read_folder(folder)
    found = [refusals.leaves_roots(file) for file in sorted(folder.iterdir()) if not _under_roots(file.resolve())]
    found += [refusals.own_code()] if files.own_code else []
    found += [refusals.unreadable(problem) for problem in files.problems]
    return found + list(_lacking(files))


def _lacking(files: ModelFiles) -> Iterator[Finding]:
    if files.pickles_only:
        yield refusals.pickles_only()
    elif files.gguf_only:
        yield refusals.gguf_only()
    elif files.lacks:
        yield refusals.lacking(files.lacks)


def start_download(*, model: BaseModel) -> Download:
    """Have a model fetched; answers with the download under way if there is one. Raises `Problem`."""
    if cache_state(model).at_hand:
        return _finished(model)
    if findings := list(_cannot_fetch(model)):
        raise refuse(*findings)
    download, is_new = _under_way(model)
    silent = Download.objects.filter(pk=download.pk, touched_at__lt=timezone.now() - SILENT)
    if is_new or silent.update(touched_at=timezone.now()):
        transaction.on_commit(lambda: async_task("models_catalog.downloads.fetch", download.pk))
    return download


def _cannot_fetch(model: BaseModel) -> Iterator[Finding]:
    environment = settings.ENVIRONMENT
    if model.source == BaseModel.Source.LOCAL:
        yield refusals.local_model(model.name)
        return
    if environment.offline:
        yield refusals.offline(model.name)
    if model.gated and not environment.hub_token:
        yield refusals.gated(model.name, has_token=False)


def _under_way(model: BaseModel) -> tuple[Download, bool]:
    """The active download of a model and whether it was made just now; a constraint lets only one be made."""
    if active := Download.objects.filter(model=model, state__in=Download.ACTIVE).first():
        return active, False
    try:
        with transaction.atomic():
            return Download.objects.create(model=model, bytes_total=model.size_bytes), True
    except IntegrityError:
        return Download.objects.filter(model=model).latest("created_at"), False


def _finished(model: BaseModel) -> Download:
    done = Download.objects.filter(model=model, state=Download.State.DONE).first()
    size = cache_state(model).bytes_on_disk
    return done or Download.objects.create(
        model=model, state=Download.State.DONE, bytes_done=size, bytes_total=size, finished_at=timezone.now()
    )
