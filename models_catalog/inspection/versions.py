"""What an inspection depends on besides the model's files: the libraries, and our own code. Imports none of them."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "trl", "jinja2")


@cache
def libraries() -> dict[str, str]:
    """Installed versions, by name."""
    return {name: found for name in LIBRARIES if (found := _version(name))}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


@cache
def code() -> str:
    """A digest of this package's source: what it found before a change is not believed after it."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
