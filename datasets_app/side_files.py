"""What was reckoned from a file once and lies beside it. It goes with the file, and is made anew when it is missing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

INDEX, PRINTS, SURVEY = ".index", ".prints", ".survey"
ALL = (INDEX, PRINTS, SURVEY)


def side_file(path: Path, suffix: str) -> Path | None:
    """Where it lies, if it was made of the file as it is now."""
    beside = path.with_suffix(suffix)
    try:
        return beside if beside.stat().st_mtime_ns >= path.stat().st_mtime_ns else None
    except FileNotFoundError:
        return None


def write_side_file(path: Path, suffix: str, parts: Iterable[bytes]) -> Path:
    """It is there whole or not at all."""
    beside, growing = path.with_suffix(suffix), path.with_name(f"{uuid4().hex}.part")
    with growing.open("wb") as file:
        file.writelines(parts)
    growing.replace(beside)
    return beside
