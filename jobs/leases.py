"""Keeps rows as "being worked on" while a process works on them; when it dies, their leases run out by themselves."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from .database_away import unless_away

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
