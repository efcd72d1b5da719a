"""What can be done to the catalogue: register a model."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from django.db import IntegrityError, transaction

from jobs.rulebook.findings import Finding

from . import refusals
from .families import called, family_of
from .files import read_folder
from .hub_files import HUB_ID
from .local_folders import folder_under_roots, unusable
from .looks import start_look
from .models import BaseModel, ModelFamily
from .refusals import refuse


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
