"""The folder that holds all state of one portal."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

from .environment import WrongEnvironment

FOLDERS = ("datasets", "runs", "logs", "hub", "models")


def prepare_home(home: Path) -> None:
    """Make the home and its folders; raises `WrongEnvironment` when nothing can be kept there."""
    try:
        for name in FOLDERS:
            (home / name).mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=home) as probe:
            probe.write(b"\0" * 4096)
    except OSError as error:
        raise WrongEnvironment(unusable(home, error)) from error


def unusable(home: Path, error: OSError) -> str:
    return (
        f"The portal cannot write to its home {home}: {error.strerror}. "
        "Free some space or mend its permissions, or set FORETUNE_HOME to another folder."
    )
