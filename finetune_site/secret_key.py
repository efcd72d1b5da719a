"""Django's secret key: made on the first start, kept in the home, readable by its owner only."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import mkstemp

from django.core.management.utils import get_random_secret_key


def secret_key(path: Path) -> str:
    """The key in this file. Two processes that start together get the same one: the first link wins."""
    if not path.exists():
        _place(path, get_random_secret_key())
    return path.read_text().strip()


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
