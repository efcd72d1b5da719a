"""Django's secret key: made on the first start, kept in the home, readable by its owner only."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import mkstemp

from django.core.management.utils import get_random_secret_key

from .environment import WrongEnvironment

SHORTEST = 32
"""Characters; with fewer, sessions could be forged by guessing."""


def secret_key(path: Path) -> str:
    """The key in this file. Two processes that start together get the same one: the first link wins."""
    if not path.exists():
        _place(path, get_random_secret_key())
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongEnvironment(damaged(path)) from error
    if len(key) < SHORTEST:
        raise WrongEnvironment(damaged(path))
    return key


def damaged(path: Path) -> str:
    return (
        f"{path} does not hold a secret key that this account can read. Put the right one back; or delete it, and a "
        "new one is made, but then everybody has to log in again."
    )


def _place(path: Path, key: str) -> None:
    handle, name = mkstemp(dir=path.parent, prefix=".secret_key-")  # mkstemp makes it 0600
    draft = Path(name)
    with os.fdopen(handle, "w") as file:
        file.write(key)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
