"""Which folders of this machine may become models. Staff name them, so every path is followed to its end first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from jobs.rulebook.findings import Finding

from . import refusals
from .files import ModelFiles, read_folder


def wrong_folder(path: str) -> list[Finding]:
    """Everything that keeps a path from being registered; empty when it may be."""
    folder = folder_under_roots(path)
    return [folder] if isinstance(folder, Finding) else unusable(folder)


def folder_under_roots(path: str) -> Path | Finding:
    """The folder a path leads to once every link is followed, if it lies where models may lie."""
    try:
        folder = Path(path).resolve()
        if not Path(path).is_absolute():
            return refusals.no_folder(path)
        if not _under_roots(folder):
            return refusals.outside_roots(path)
        return folder if folder.is_dir() else refusals.no_folder(path)
    except (OSError, ValueError, RuntimeError):  # too long, holds a NUL, links in a circle
        return refusals.no_folder(path.replace("\0", "␀")[:200])


def _under_roots(path: Path) -> bool:
    return any(path.is_relative_to(root) for root in settings.LOCAL_ROOTS)


def unusable(folder: Path) -> list[Finding]:
    """Everything that keeps a model in this folder from being trained safely."""
    files = read_folder(folder)
    found = [refusals.leaves_roots(file) for file in sorted(folder.iterdir()) if not _under_roots(file.resolve())]
    found += [refusals.own_code()] if files.own_code else []
    found += [refusals.unreadable(problem) for problem in files.problems]
    return found + list(_lacking(files))


def _lacking(files: ModelFiles) -> Iterator[Finding]:
    if files.pickles_only:
        yield refusals.pickles_only()
    elif files.gguf_only:
        yield refusals.gguf_only()
    elif files.lacks:
        yield refusals.lacking(files.lacks)
