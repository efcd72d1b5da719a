"""Files of this machine as datasets, without a copy: only a link is made, and a file that changes is read anew.

Staff name them, and only under the folders that the installation allows, so every path is followed to its end first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from finetune_site.environment import variable
from finetune_site.problems import Problem, problem
from jobs.rulebook.findings import Finding, Severity

from .models import Accounting, Dataset, TellingRows
from .reading import storable
from .services import begin_reading, given_name, under_free_name
from .side_files import ALL
from .stamps import stamp_of
from .uploads import check_contents

GONE: dict[str, Any] = {"size": None, "mtime_ns": None}


def register_file(*, owner: User, path: str, name: str = "") -> Dataset:
    """A dataset whose bytes stay where they are. Raises Problem with findings on `path` or `name`."""
    file = _file_under_roots(path)
    _check(file)
    shown = storable(file.name)[:200]

    def save(name: str) -> Dataset:
        dataset = Dataset(owner=owner, name=name, file_name=shown, local={"path": str(file), **stamp_of(file)})
        dataset.size_bytes = dataset.local["size"]
        dataset.save()
        link = dataset.path.with_suffix(".part")
        link.unlink(missing_ok=True)
        link.symlink_to(file)
        link.replace(dataset.path)  # whatever may lie there is no other dataset's
        return dataset

    given = given_name(owner, name)
    if given:
        with transaction.atomic():
            dataset = save(given)
    else:
        dataset = under_free_name(owner, file.stem, save)
    return begin_reading(dataset, dataset.size_bytes)


def _file_under_roots(path: str) -> Path:
    try:
        file = Path(path).resolve()
        str(file).encode()  # a name that is no UTF-8 cannot be kept
        if not Path(path).is_absolute():
            raise _no_file(path)
        if not _may_be_read(file):
            raise _outside(path)
        if file.is_dir():
            raise _folder(file)
        if not file.is_file():
            raise _no_file(path)
    except (OSError, ValueError, RuntimeError) as error:  # too long, holds a NUL, links in a circle
        raise _no_file(storable(path)[:200]) from error
    return file


def _may_be_read(file: Path) -> bool:
    """Under a folder that is allowed, and not among the files of the portal, which belong to their owners."""
    own = Path(settings.DATASETS_DIR).resolve()
    return any(file.is_relative_to(root) for root in settings.LOCAL_ROOTS) and not file.is_relative_to(own)


def _check(file: Path) -> None:
    """As for an upload, but it is the path that is wrong."""
    try:
        check_contents(file)
    except Problem as refused:
        found = refused.findings[0]
        raise problem("path", found.code.replace("upload.", "dataset."), found.message) from refused
    except PermissionError as error:
        message = f"“{file}” may not be read by the portal. Give its user the right to read the file."
        raise problem("path", "dataset.path", message) from error


def _no_file(path: str) -> Problem:
    message = f"There is no file “{path}” that the portal can read. Give an absolute path."
    return problem("path", "dataset.path", message)


def _outside(path: str) -> Problem:
    roots = ", ".join(str(root) for root in settings.LOCAL_ROOTS)
    message = (
        f"“{path}” does not lie under a folder that datasets may be registered from. "
        f"Put the file under {roots}, or add its place to {variable('local_roots')}."
    )
    return problem("path", "dataset.path-outside", message)


def _folder(folder: Path) -> Problem:
    names = sorted(each.name for each in folder.iterdir() if each.is_file())
    some = f", such as {', '.join(names[:3])}" if names else ""
    message = f"“{folder}” is a folder. Register its files one by one{some}: each becomes a dataset."
    return problem("path", "dataset.path-folder", storable(message))


def notice_changes(*, owner: User) -> None:
    """Look whether files that were registered have changed. Called when somebody looks at datasets."""
    for dataset in Dataset.objects.visible_to(owner).exclude(local={}):
        notice_change(dataset)


def notice_change(dataset: Dataset) -> Dataset:
    """Begin to read a registered file anew if it is not the one that was read. Answers how the dataset stands now."""
    if not dataset.local or dataset.status == Dataset.Status.READING:
        return dataset
    try:
        now = stamp_of(dataset.path)
    except OSError:
        now = GONE
    if dataset.local == {**dataset.local, **now}:
        return dataset
    changed = {"local": {**dataset.local, **now}, "sha256": ""}
    waiting = Dataset.objects.filter(pk=dataset.pk, status=dataset.status, local=dataset.local)
    if now == GONE:
        waiting.update(status=Dataset.Status.FAILED, error=_gone(dataset).as_dict(), **changed)
    elif waiting.update(status=Dataset.Status.READING, error=None, **changed):
        _forget(dataset)
        begin_reading(dataset, now["size"])
    dataset.refresh_from_db()
    return dataset


def _gone(dataset: Dataset) -> Finding:
    message = f"The file {dataset.local['path']} is gone. Put it back, or delete this dataset."
    return Finding("dataset.file-gone", Severity.ERROR, "file", message)


def _forget(dataset: Dataset) -> None:
    """Drop what was reckoned from the file as it was."""
    TellingRows.objects.filter(dataset=dataset).delete()
    Accounting.objects.filter(dataset=dataset).delete()
    for suffix in ALL:
        dataset.path.with_suffix(suffix).unlink(missing_ok=True)
