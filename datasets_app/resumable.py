"""Uploads in pieces: begun with their size, sent from where the last piece ended, finished when whole.

Room on the disk is promised to each of them when it begins, so that none fails for another.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from datetime import timedelta
from pathlib import PurePath
from typing import Any, Protocol

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone
from humanize import naturalsize

from finetune_site.problems import problem

from . import services, uploads
from .models import Dataset, Upload
from .reading import storable

MOST_AT_ONCE = 5
"""Uploads one person may have begun and not ended."""
PIECE = 64 * 1024 * 1024
"""The longest piece of one request."""
CHUNK = 1024 * 1024
KEPT = timedelta(days=1)
"""An upload that nobody goes on with is forgotten after this long."""


class Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def begin_upload(*, owner: User, file_name: str, size: Any, name: str = "", sha256: str = "") -> Upload:
    """Promise room for a file of `size` bytes. Raises Problem where there is none, or too many are under way."""
    file_name = storable(PurePath(file_name or "dataset").name)[:200]
    number, digest = _size(size), _digest(sha256)
    name = services.given_name(owner, name)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=owner.pk)
        _check_room(number)
        if Upload.objects.filter(owner=owner).count() >= MOST_AT_ONCE:
            message = f"{MOST_AT_ONCE} uploads have begun and are not finished. Finish or cancel one of them first."
            raise problem("file", "upload.too-many", message, 409)
        made = Upload.objects.create(owner=owner, name=name, file_name=file_name, size_bytes=number, sha256=digest)
        made.path.touch()
    return made


def _size(given: Any) -> int:
    text = str(given)
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text)):
        message = f"The size must be the file's number of bytes, at least 1; “{text[:40]}” was given."
        raise problem("size", "upload.size", message)
    return int(text)


def _digest(given: str) -> str:
    if given and not re.fullmatch("[0-9a-fA-F]{64}", given):
        raise problem(
            "sha256", "upload.sha256-format", "A SHA-256 has 64 hexadecimal digits. Leave it out, or send it."
        )
    return given.lower()


def _check_room(size: int) -> None:
    """As for any upload, with what the others were promised and have not sent yet."""
    uploads.check_size(size)
    promised = Upload.objects.aggregate(left=Sum(F("size_bytes") - F("received_bytes")))["left"] or 0
    free = shutil.disk_usage(settings.DATASETS_DIR).free
    if size + promised + uploads.DISK_RESERVE > free:
        message = (
            f"The disk has no room for this file ({naturalsize(size)}): other uploads under way need "
            f"{naturalsize(promised)}. Wait for them, delete old datasets, or ask an administrator."
        )
        raise problem("file", "upload.disk-full", message, 507)


def take_piece(*, upload: Upload, offset: Any, stream: Stream, length: int) -> Upload:
    """Add a piece of `length` bytes that begins at `offset`, which is where the last one ended."""
    with transaction.atomic():
        locked = Upload.objects.select_for_update().get(pk=upload.pk)
        if str(offset) != str(locked.received_bytes):
            arrived = f"{locked.received_bytes} bytes have arrived"
            message = f"{arrived}: the next piece begins there, not at “{str(offset)[:20]}”."
            raise problem("offset", "upload.offset", message, 409)
        left = locked.size_bytes - locked.received_bytes
        if not 0 < length <= min(left, PIECE):
            message = f"A piece has 1 to {min(left, PIECE):,} bytes now; this one has {length:,}."
            raise problem("file", "upload.piece", message, 413 if length > PIECE else 400)
        locked.received_bytes += _append(locked, stream, length)
        locked.touched_at = timezone.now()
        locked.save(update_fields=["received_bytes", "touched_at"])
    return locked


def _append(upload: Upload, stream: Stream, length: int) -> int:
    """What arrives of the piece, which may be less where the connection breaks."""
    taken = 0
    with upload.path.open("r+b") as file:
        file.truncate(upload.received_bytes)
        file.seek(upload.received_bytes)
        while taken < length and (chunk := stream.read(min(CHUNK, length - taken))):
            file.write(chunk)
            taken += len(chunk)
        file.flush()
        os.fsync(file.fileno())
    return taken


def finish_upload(*, upload: Upload) -> Dataset:
    """Make a dataset of a file that is whole. One that cannot be used is removed, and the Problem says why."""
    with transaction.atomic():
        locked = Upload.objects.select_for_update().get(pk=upload.pk)
        if left := locked.size_bytes - locked.received_bytes:
            message = f"{left:,} of {locked.size_bytes:,} bytes have not arrived. Send them, then finish."
            raise problem("file", "upload.unfinished", message, 409)
        path = locked.path
        locked.delete()
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if locked.sha256 not in ("", digest):
            message = "The file that arrived is not the one that was announced: its SHA-256 differs. Upload it again."
            raise problem("sha256", "upload.sha256", message)
        arrived = uploads.Arrived(path, locked.size_bytes, digest)
        return services.take_in(owner=locked.owner, name=locked.name, file_name=locked.file_name, arrived=arrived)
    finally:
        path.unlink(missing_ok=True)


def cancel_upload(*, upload: Upload) -> None:
    path = upload.path  # the id is gone with the row
    upload.delete()
    path.unlink(missing_ok=True)


def forget_abandoned() -> None:
    """Uploads that nobody went on with, and the room that was promised to them."""
    for upload in Upload.objects.filter(touched_at__lt=timezone.now() - KEPT):
        cancel_upload(upload=upload)
