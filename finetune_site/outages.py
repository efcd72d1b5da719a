"""Troubles of the machine, not of the code: a full disk, a database that is away. They have words of their own."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError

FULL = (errno.ENOSPC, errno.EDQUOT)
FULL_IN_WORDS = ("database or disk is full", "no space left on device")  # SQLite's, and PostgreSQL's
MAYBE_FULL = ("disk i/o error", "unable to open database file")
"""What SQLite says when the last bytes are gone too, for it needs some even to be read."""
ROOM_TO_OPEN = 1_000_000
AWAY_IN_WORDS = (
    "database is locked",
    "disk i/o error",
    "unable to open database file",
    "readonly database",
    "connection",
    "server closed",
    "shutting down",
    "starting up",
    "recovery mode",
    "too many clients",
    "terminating",
)
"""Drivers say so in many ways, and a mistake in a query in none of these."""


def outage(error: BaseException | None) -> tuple[str, str, int] | None:
    """Code, sentence and status of an outage behind an exception; None where it is the code that is to blame."""
    for cause in _causes(error):
        if _is_full(cause):
            message = (
                "The disk of the portal is full, so nothing can be kept at present. What is there is safe. Ask whoever "
                "runs the portal to make room, then try again."
            )
            return "storage.full", message, 507
        if _is_away(cause):
            message = "The database does not answer at present. Trainings go on. Try again in a minute."
            return "database.away", message, 503
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    if not isinstance(error, DatabaseError):
        return False
    said = str(error).lower()
    return any(words in said for words in FULL_IN_WORDS) or (
        any(words in said for words in MAYBE_FULL) and shutil.disk_usage(settings.HOME).free < ROOM_TO_OPEN
    )


def _is_away(error: BaseException) -> bool:
    if isinstance(error, InterfaceError):
        return "closed" in str(error).lower()
    return isinstance(error, OperationalError) and any(words in str(error).lower() for words in AWAY_IN_WORDS)
