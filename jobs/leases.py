"""Keeps rows and attempts as "being worked on" while a process works on them; when it dies, their leases run out."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from .database_away import unless_away

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
BEAT = 5.0
"""Seconds between two renewals."""


def lease() -> datetime:
    """Until when a row is kept from now."""
    return timezone.now() + LEASE


class Kept:
    """`with Kept(rows) as kept:` renews `lease_until` of these rows, and of those given to `also`, in a thread."""

    def __init__(self, *rows: QuerySet[Any]) -> None:
        self._rows = list(rows)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def also(self, rows: QuerySet[Any]) -> None:
        self._rows.append(rows)

    def __enter__(self) -> Kept:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._ended.wait(BEAT):
                for rows in self._rows:
                    unless_away(lambda rows=rows: rows.all().update(lease_until=lease()), 0)  # type: ignore[misc]
        finally:
            connection.close()  # this thread's own


ATTEMPT = 15.0
"""Seconds that the lease of an attempt lasts. Shorter than the half minute in which its page must learn of its end."""
STARTING = 30.0
"""Seconds that a shim has to start and take the lease over from the tick that started it."""
RENEWED_EVERY = 3.0


@contextmanager
def renewing(lease_file: Path) -> Iterator[None]:
    """Renew the lease of an attempt in a thread, whatever the database or the disk does, while this process lives."""
    ended = threading.Event()
    thread = threading.Thread(target=_renew, args=[lease_file, ended], name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _renew(lease_file: Path, ended: threading.Event) -> None:
    while True:
        try:
            grant(lease_file, ATTEMPT)
        except OSError as error:
            logger.error("A lease could not be renewed: %s", error)
        if ended.wait(RENEWED_EVERY):
            return


def grant(lease_file: Path, seconds: float) -> None:
    """Let an attempt go on for so long from now.

    The file always has the same length and is written over in place: that needs no room on a disk that is full, and
    who reads meanwhile sees one time or the other.
    """
    text = json.dumps({"until": round(time.time() + seconds)}).encode()
    descriptor = os.open(lease_file, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.pwrite(descriptor, text, 0)
    finally:
        os.close(descriptor)


def seconds_past(lease_file: Path) -> float:
    """How long ago a lease ended; negative while it lasts. One that cannot be read ended long ago."""
    try:
        return time.time() - float(json.loads(lease_file.read_bytes())["until"])
    except (OSError, ValueError, KeyError, TypeError):
        return float("inf")
