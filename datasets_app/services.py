"""What can be done with datasets: create, read, delete. `versions.py` makes new ones from them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from itertools import count
from pathlib import PurePath
from typing import Any

from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.tasks import async_task

from finetune_site.problems import Problem, new_reference, problem
from jobs.rulebook.findings import Finding, Severity

from .models import Dataset
from .preview import shown
from .reading import Reading, Unreadable, container_of, read_file, storable
from .stamps import hash_file
from .survey import survey
from .uploads import Arrived, check_contents, received
from .version_files import write_version

logger = logging.getLogger(__name__)

READ_AT_ONCE = 2 * 1024 * 1024
"""Files up to this size are read within the request, larger ones by a task: a million broken lines take seconds."""

SIGN_OF_LIFE = 2.0
"""Seconds between two notes of how far a reader has come."""


def create_dataset(*, owner: User, name: str, upload: UploadedFile[Any]) -> Dataset:
    """Take an uploaded file in and read it. Raises Problem with findings on `file` or `name`."""
    file_name = storable(PurePath(upload.name or "dataset").name)[:200]
    with received(upload) as arrived:
        return take_in(owner=owner, name=name, file_name=file_name, arrived=arrived)


def take_in(*, owner: User, name: str, file_name: str, arrived: Arrived) -> Dataset:
    """Make a dataset of a file that has come in whole, and read it."""
    check_contents(arrived.path)
    dataset = _store(owner=owner, name=given_name(owner, name), file_name=file_name, arrived=arrived)
    return begin_reading(dataset, dataset.size_bytes)


def given_name(owner: User, name: str) -> str:
    """The name that was given, if it can be used. Whitespace and control characters become spaces."""
    given = " ".join("".join(each if each.isprintable() else " " for each in name).split())
    if len(given) > _longest_name():
        message = f"The name has {len(given)} characters; at most {_longest_name()} fit. Shorten it."
        raise problem("name", "dataset.name-too-long", message)
    if Dataset.objects.filter(owner=owner, name=given).exists():
        raise _name_taken(owner, given)
    return given


def _name_taken(owner: User, name: str) -> Exception:
    message = f"You already have a dataset called “{name}”. Choose another name, such as “{free_name(owner, name)}”."
    return problem("name", "dataset.name-taken", message)


def _longest_name() -> int:
    return Dataset._meta.get_field("name").max_length or 0


def free_name(owner: User, wanted: str) -> str:
    """`wanted`, with a number behind it when it is taken."""
    wanted = wanted[: _longest_name() - 8].strip() or "dataset"
    taken = set(Dataset.objects.filter(owner=owner, name__startswith=wanted).values_list("name", flat=True))
    names = (wanted if number == 1 else f"{wanted} ({number})" for number in count(1))
    return next(name for name in names if name not in taken)


def _store(*, owner: User, name: str, file_name: str, arrived: Arrived) -> Dataset:
    """Row and file appear together, or not at all; without a name, under one made from the file's."""

    def save(name: str) -> Dataset:
        dataset = Dataset(owner=owner, name=name, file_name=file_name, size_bytes=arrived.size, sha256=arrived.sha256)
        dataset.save()
        arrived.path.replace(dataset.path)
        return dataset

    if not name:
        return under_free_name(owner, PurePath(file_name).stem, save)
    try:
        with transaction.atomic():
            return save(name)
    except IntegrityError as error:  # somebody took the name since we looked
        raise _name_taken(owner, name) from error


def under_free_name(owner: User, wanted: str, save: Callable[[str], Dataset]) -> Dataset:
    """Save under a free name; when somebody takes it between our look and our save, under the next."""
    while True:
        name = free_name(owner, wanted)
        try:
            with transaction.atomic():
                return save(name)
        except IntegrityError:
            if not Dataset.objects.filter(owner=owner, name=name).exists():
                raise


def begin_reading(dataset: Dataset, size: int) -> Dataset:
    """Read a dataset at once, or have a task do it; `size` is how much there is to read."""
    if size <= READ_AT_ONCE:
        read_dataset(dataset.pk)
        dataset.refresh_from_db()
    else:
        transaction.on_commit(lambda: _enqueue(dataset.pk))
    return dataset


def _enqueue(dataset_id: int) -> None:
    async_task("datasets_app.services.read_dataset", dataset_id, task_name=f"read dataset {dataset_id}")


def read_dataset(dataset_id: int) -> None:
    """Read a dataset that waits to be read; for any other this does nothing, so it may be called twice.

    A version of another is written first. Whatever goes wrong, the dataset does not stay in `reading`.
    """
    dataset = Dataset.objects.reading().filter(pk=dataset_id).first()
    if dataset is None:
        return
    try:
        if dataset.change and not dataset.sha256:
            write_version(dataset, _sign_of_life(dataset))
        if dataset.local and not dataset.sha256:
            hash_file(dataset, _sign_of_life(dataset))
        _keep(dataset, read_file(dataset.path, _sign_of_life(dataset)))
    except Unreadable as unreadable:
        finding = Finding(f"dataset.{unreadable.code}", Severity.ERROR, "file", str(unreadable))
        _waiting(dataset).update(status=Dataset.Status.FAILED, error=finding.as_dict())
    except Problem as refused:
        _waiting(dataset).update(status=Dataset.Status.FAILED, error=refused.findings[0].as_dict())
    except Exception as error:
        _fail(dataset, error)
    else:
        dataset.refresh_from_db()
        survey(dataset)


def _sign_of_life(dataset: Dataset) -> Callable[[int], None]:
    """Notes how far the reader has come, so that the page can show it and a dead reader is noticed."""
    due = time.monotonic() + SIGN_OF_LIFE

    def note(read_bytes: int) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + SIGN_OF_LIFE
            _waiting(dataset).update(touched_at=timezone.now(), read_bytes=read_bytes)

    return note


def _waiting(dataset: Dataset) -> Any:
    return Dataset.objects.reading().filter(pk=dataset.pk)


def _keep(dataset: Dataset, reading: Reading) -> None:
    _waiting(dataset).update(
        status=Dataset.Status.READY,
        container=container_of(dataset.path).as_dict(),
        format=reading.shape.format,
        layout=reading.shape.layout,
        mixture=reading.mixture,
        conversational=reading.shape.conversational,
        columns=list(reading.shape.columns),
        rows=reading.rows,
        bad_rows=reading.bad_rows,
        stats=reading.stats,
        problems=[each.as_dict() for each in reading.problems.listed],
        preview=[shown(row) for row in reading.preview],
        read_bytes=dataset.size_bytes,
        error=None,
    )


def _fail(dataset: Dataset, error: Exception) -> None:
    """Whose fault it is decides what is said: an unexpected error is ours, and the log has the rest."""
    reference = new_reference()
    logger.error("Reading dataset %s failed, reference %s", dataset.pk, reference, exc_info=error)
    message = (
        f"“{dataset.name}” could not be read because of an error on our side. Upload it again, or tell whoever runs "
        f"this portal the reference {reference}; the log has the rest."
    )
    finding = Finding("dataset.unreadable", Severity.ERROR, "file", message)
    _waiting(dataset).update(status=Dataset.Status.FAILED, error=finding.as_dict())


def revive_stalled(*, owner: User) -> None:
    """Give datasets whose reader died to a new one. Called when somebody looks at them."""
    for dataset in Dataset.objects.visible_to(owner).stalled():
        if Dataset.objects.stalled().filter(pk=dataset.pk).update(touched_at=timezone.now()):
            _enqueue(dataset.pk)


def delete_dataset(*, dataset: Dataset) -> None:
    """Delete a dataset and its file. Refused while a job, or a version that is being made from it, still needs it."""
    with transaction.atomic():
        locked = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if job := locked.jobs.active().first():
            message = f"Job “{job.name}” still uses “{locked.name}”. Cancel it or wait until it ends, then delete."
            raise problem("dataset", "dataset.in-use", message, 409)
        if job := locked.owner.jobs.active().filter(spec__data__eval_dataset=str(locked.pk)).first():
            message = f"Job “{job.name}” evaluates with “{locked.name}”. Cancel it or wait until it ends, then delete."
            raise problem("dataset", "dataset.in-use", message, 409)
        if child := locked.children.reading().first():
            message = f"“{child.name}” is being made from “{locked.name}”. Wait until that is done, then delete it."
            raise problem("dataset", "dataset.in-use", message, 409)
        _give_versions_a_new_first(locked)
        locked.delete()


def _give_versions_a_new_first(first: Dataset) -> None:
    """When the first version goes, the oldest that stays takes its place, so that they still know each other."""
    next_first = first.versions.order_by("version", "pk").first()
    if next_first is not None:
        first.versions.update(original=next_first)
        Dataset.objects.filter(pk=next_first.pk).update(original=None)
