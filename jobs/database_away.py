"""Working with a database that may be away for a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)
T = TypeVar("T")

AWAY = (OperationalError, InterfaceError)
TRIES = 150
PAUSE = 2.0
"""Five minutes in all: longer than a restart of the database."""


def unless_away(ask: Callable[[], T], default: T) -> T:
    """The answer of the database, or `default` while it is away. Django does not connect again by itself."""
    try:
        return ask()
    except AWAY:
        logger.warning("The database is away; going on without it.")
        connection.close()
        return default


def keep_trying(act: Callable[[], T]) -> T:
    """Do something that must reach the database, waiting up to five minutes for it to come back."""
    for _ in range(TRIES):
        try:
            return act()
        except AWAY:
            logger.warning("The database is away; waiting for it.")
            connection.close()
            time.sleep(PAUSE)
    return act()
