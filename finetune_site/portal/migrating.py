"""Brings the database to the state that this code needs, though several services may start at once."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection

from .readiness import CannotServe

ADVISORY_LOCK = 0x666F72657475  # any number that nobody else takes; this one spells "foretu"


def migrate() -> None:
    try:
        with _alone():
            call_command("migrate", verbosity=0, interactive=False)
    except DatabaseError as error:
        raise CannotServe(
            f"The database cannot be prepared: {str(error).strip()}. "
            f"Is there room in {settings.HOME}, and does DATABASE_URL, if it is set, name a running server?"
        ) from error


@contextmanager
def _alone() -> Iterator[None]:
    """Web and node of one home wait for each other; on PostgreSQL also those of other machines."""
    with (Path(settings.HOME) / "migrate.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if connection.vendor != "postgresql":
            yield
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])
