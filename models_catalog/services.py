"""What can be done to the catalogue: register a model, fetch one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.tasks import async_task

from jobs.rulebook.findings import Finding

from . import refusals
from .cache import cache_state
from .families import called, family_of
from .files import read_folder
from .hub_files import HUB_ID
from .local_folders import folder_under_roots, unusable
from .looks import start_look
from .models import BaseModel, Download, ModelFamily
from .refusals import refuse

SILENT = timedelta(minutes=2)
"""After this long without a sign of life a download's worker counts as dead."""


def register(*, name: str, source: str, path: str = "", family: str | None = None) -> BaseModel:
    """Add a model of either source. Raises `Problem`."""
    if source == BaseModel.Source.LOCAL:
        return register_local(name=name, path=path, family=family)
    if source == BaseModel.Source.HUB:
        return register_hub(name=name, family=family)
    raise refuse(refusals.wrong_source(source), *_wrong_name(name))


def register_local(*, name: str, path: str, family: str | None = None) -> BaseModel:
    """Put a folder of this machine in the catalogue. Raises `Problem` with everything that is wrong."""
    findings = [*_wrong_name(name), *_wrong_family(family)]
    folder = folder_under_roots(path)
    findings += [folder] if isinstance(folder, Finding) else unusable(folder)
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
    start_look(model)
    return model


def _wrong_name(name: str) -> Iterator[Finding]:
    if not HUB_ID.fullmatch(name):
        yield refusals.wrong_name(name)
    elif BaseModel.objects.filter(name__iexact=name).exists():
        yield refusals.name_taken(name)


def _wrong_family(family: str | None) -> Iterator[Finding]:
    names = list(ModelFamily.objects.values_list("name", flat=True))
    if family and called(family) is None:
        yield refusals.unknown_family(family, difflib.get_close_matches(family, names, n=1))


def _family(family: str | None, name: str, model_type: str = "") -> ModelFamily:
    return (called(family) if family else None) or family_of(name, model_type)


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
