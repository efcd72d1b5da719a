"""Which files of a hub repository a model needs. Pickles and other people's code are never among them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

SUFFIXES = {".json", ".jinja", ".txt", ".model", ".safetensors"}
HUB_ID = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,94}(/[A-Za-z0-9][\w.-]{0,94})?", re.ASCII)


def wanted(path: str) -> bool:
    """Files beside config.json: configuration, tokenizer, safetensors. Copies in other formats lie in subfolders."""
    file = PurePosixPath(path)
    duplicate = file.name.startswith("consolidated")  # the same weights under their first author's names
    return len(file.parts) == 1 and file.suffix in SUFFIXES and not duplicate


def repository_folder(cache: Path, model: str) -> Path:
    """Where the hub's library keeps a model: models--owner--name."""
    return cache / ("models--" + model.replace("/", "--"))


def listing(repository: Path, commit: str) -> Mapping[str, int] | None:
    """Sizes of the wanted files of one commit, as the hub's library noted them; None when it did not."""
    try:
        files = json.loads((repository / "trees" / f"{commit}.json").read_bytes())["files"]
        return {path: int(entry["size"]) for path, entry in files.items() if wanted(path)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
