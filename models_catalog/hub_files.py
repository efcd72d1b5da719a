"""Which files of a hub repository a model needs. Pickles and other people's code are never among them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

SUFFIXES = {".json", ".jinja", ".txt", ".model", ".safetensors"}
UNFINISHED = ".incomplete"
"""How the hub's library marks content that has not arrived whole."""
PART = f".foretune{UNFINISHED}"
"""The same of our own downloads, which go on from it."""
HUB_ID = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,94}(/[A-Za-z0-9][\w.-]{0,94})?", re.ASCII)


def wanted(path: str) -> bool:
    """Files beside config.json: configuration, tokenizer, safetensors. Copies in other formats lie in subfolders."""
    file = PurePosixPath(path)
    duplicate = file.name.startswith("consolidated")  # the same weights under their first author's names
    return len(file.parts) == 1 and file.suffix in SUFFIXES and not duplicate


def repository_folder(cache: Path, model: str) -> Path:
    """Where the hub's library keeps a model: models--owner--name."""
    return cache / ("models--" + model.replace("/", "--"))


def is_small(path: str) -> bool:
    """Of the wanted files those that tell about a model, as opposed to its weights."""
    return wanted(path) and not path.endswith(".safetensors")


@dataclass(frozen=True)
class Listed:
    """One file of a commit. `content` is the SHA-256 of large files and git's name of small ones."""

    size: int
    content: str


def listing(repository: Path, commit: str, *, everything: bool = False) -> Mapping[str, int] | None:
    """Sizes of the wanted files of one commit, as the hub's library noted them; None when it did not."""
    files = tree(repository, commit)
    if files is None:
        return None
    return {path: file.size for path, file in files.items() if everything or wanted(path)}


def tree(repository: Path, commit: str) -> Mapping[str, Listed] | None:
    """All files of one commit. A commit never changes, so neither does the note of it."""
    note = repository / "trees" / f"{commit}.json"
    try:
        return _read_tree(note, note.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=256)
def _read_tree(note: Path, changed: int) -> Mapping[str, Listed] | None:
    try:
        files = json.loads(note.read_bytes())["files"]
        return {path: _listed(entry) for path, entry in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _listed(entry: Mapping[str, Any]) -> Listed:
    return Listed(int(entry["size"]), str(entry.get("lfs_sha256") or entry["blob_id"]))
