"""Takes an uploaded file to disk, or says why not."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.datastructures import MultiValueDict
from humanize import naturalsize

from finetune_site.problems import Problem, problem

from .reading import Unreadable, container_of, rows_of

DISK_RESERVE = 256 * 1024 * 1024
"""Stays free, so that the database and running jobs can go on writing."""


@dataclass(frozen=True)
class Arrived:
    """A file that has come in whole."""

    path: Path
    size: int
    sha256: str


def the_file(sent: MultiValueDict[str, UploadedFile[Any]], when_missing: str) -> UploadedFile[Any]:
    """The one file of a request. Of several only the last would count, so they are refused."""
    files = sent.getlist("file")
    if not files:
        raise problem("file", "upload.missing", when_missing)
    if len(files) > 1:
        message = f"{len(files)} files were sent at once. Upload them one by one: each becomes a dataset."
        raise problem("file", "upload.several", message)
    return files[0]


@contextmanager
def received(upload: UploadedFile[Any]) -> Iterator[Arrived]:
    """The upload as a file beside the datasets. It is removed again unless it was moved away."""
    check_size(upload.size or 0)
    with written(upload.chunks()) as arrived:
        yield arrived


@contextmanager
def written(chunks: Iterable[bytes]) -> Iterator[Arrived]:
    """Bytes written and hashed in one go, under a name that nothing else uses."""
    path = Path(settings.DATASETS_DIR) / f"{uuid4().hex}.part"
    try:
        yield _write(path, chunks)
    finally:
        path.unlink(missing_ok=True)


def _write(path: Path, chunks: Iterable[bytes]) -> Arrived:
    size, digest = 0, hashlib.sha256()
    try:
        with path.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _disk_full(size) from error
    return Arrived(path, size, digest.hexdigest())


def check_size(size: int) -> None:
    """Raises Problem when the file is larger than allowed, or than the disk has room for."""
    limit = settings.ENVIRONMENT.max_upload_mb * 1_000_000
    if size > limit:
        sizes = f"The file has {naturalsize(size)}; at most {naturalsize(limit)} can be uploaded."
        raise problem("file", "upload.too-large", f"{sizes} Split it or ask an administrator.", 413)
    if size + DISK_RESERVE > shutil.disk_usage(settings.DATASETS_DIR).free:
        raise _disk_full(size)


def _disk_full(size: int) -> Problem:
    message = f"The disk has no room for this file ({naturalsize(size)}). Delete old datasets or ask an administrator."
    return problem("file", "upload.disk-full", message, 507)


def check_contents(path: Path) -> None:
    """Refuses what cannot hold a single row. Contents decide, the file's extension does not matter."""
    try:
        container = container_of(path)
        has_rows = container.kind not in TABLES or next(rows_of(path), None) is not None
    except Unreadable as unreadable:
        raise problem("file", f"upload.{unreadable.code}", str(unreadable)) from unreadable
    if container.kind == "empty":
        raise problem("file", "upload.empty", "The file is empty. Choose a file with rows in it.")
    if not has_rows:
        message = "The file names its columns, but holds no rows. Export it again with its rows."
        raise problem("file", "upload.no-rows", message)


TABLES = ("csv", "tsv", "parquet")
