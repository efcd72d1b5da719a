"""Whether a registered file is still the one that was read: size and time tell at a glance, the digest when read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .models import Dataset

CHUNK = 1 << 20


def stamp_of(file: Path) -> dict[str, Any]:
    """What tells that a file was changed without reading it."""
    status = file.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def hash_file(dataset: Dataset, on_progress: Callable[[int], None]) -> None:
    """Note the size, the time and the digest of a registered file as it is now."""
    stamp, digest = stamp_of(dataset.path), hashlib.sha256()
    with dataset.path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            on_progress(0)
    dataset.local |= stamp
    dataset.size_bytes, dataset.sha256 = stamp["size"], digest.hexdigest()
    dataset.save(update_fields=["local", "size_bytes", "sha256"])
