"""Whether a model's files are at hand: in the hub cache, complete or in part, or in a local folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import humanize
from django.conf import settings

from .files import ModelFiles, read_folder
from .hub_files import HUB_ID, PART, UNFINISHED, listing, repository_folder, tree, wanted
from .models import BaseModel

COMMIT = re.compile(r"[0-9a-f]{40}")


class State(StrEnum):
    """Part of the public contract."""

    CACHED = "cached"
    PARTIAL = "partial"
    ABSENT = "absent"
    LOCAL = "local"


@dataclass(frozen=True)
class CacheState:
    """What is on disk and what is not.

    `folder` is given only when a model can be loaded from it, `described_in` also when only its small files are there.
    """

    state: State
    bytes_on_disk: int = 0
    bytes_to_fetch: int | None = None
    folder: Path | None = None
    described_in: Path | None = None

    @property
    def at_hand(self) -> bool:
        return self.folder is not None

    @property
    def text(self) -> str:
        """As the selector shows it."""
        if self.at_hand:
            return "✓ cached"
        size = humanize.naturalsize(self.bytes_to_fetch) if self.bytes_to_fetch else ""
        return " ".join(part for part in ("⬇", size, "to download") if part)


def cache_state(model: BaseModel, revision: str | None = None) -> CacheState:
    """The state of one model, read from disk at every call."""
    if model.source == BaseModel.Source.LOCAL:
        return _local_state(Path(model.path))
    if not HUB_ID.fullmatch(model.name):
        return CacheState(State.ABSENT, bytes_to_fetch=model.size_bytes)
    return _hub_state(model, revision)


def files_at_hand(state: CacheState) -> ModelFiles | None:
    """What the files that are there say. Nothing is said about weights that are still to come."""
    if state.described_in is None:
        return None
    files = read_folder(state.described_in)
    if state.folder:
        return files
    listed = listing(state.described_in.parents[1], state.described_in.name, everything=True) or {}
    damage = files.damage
    problems = tuple(problem for problem in files.problems if problem != damage)
    return replace(files, names=files.names | listed.keys(), modules=None, problems=problems, damage="")


def _local_state(folder: Path) -> CacheState:
    files = read_folder(folder)
    if files.lacks:
        return CacheState(State.ABSENT, files.bytes_on_disk, described_in=_described(folder))
    return CacheState(State.LOCAL, files.bytes_on_disk, 0, folder, folder)


def _hub_state(model: BaseModel, revision: str | None) -> CacheState:
    repository = repository_folder(Path(settings.HUB_CACHE_DIR), model.name)
    blobs = _blobs(repository)
    if not blobs:
        return CacheState(State.ABSENT, bytes_to_fetch=model.size_bytes)
    commit = _commit(repository, revision or "main")
    on_disk = sum(blobs.values())
    snapshot = repository / "snapshots" / commit if commit else None
    if commit and _is_complete(repository, commit, blobs):
        return CacheState(State.CACHED, on_disk, 0, snapshot, snapshot)
    begun = State.ABSENT if commit and _has_no_weights(repository, commit, blobs) else State.PARTIAL
    return CacheState(begun, on_disk, _left(model, repository, commit, blobs), None, _described(snapshot))


def _described(folder: Path | None) -> Path | None:
    return folder if folder and "config.json" in read_folder(folder).names else None


def _has_no_weights(repository: Path, commit: str, blobs: Mapping[str, int]) -> bool:
    """Only the small files were fetched, to look into them: no download has begun."""
    if listing(repository, commit) is None or any(name.endswith(UNFINISHED) for name in blobs):
        return False
    return not any(name.endswith(".safetensors") for name in read_folder(repository / "snapshots" / commit).names)


def _commit(repository: Path, revision: str) -> str | None:
    """The commit of a branch, tag or commit, if the cache knows it. Names are compared, never joined to a path."""
    refs = repository / "refs"
    try:
        found = [ref for ref in refs.rglob("*") if ref.is_file() and ref.relative_to(refs).as_posix() == revision]
        commit = found[0].read_text().strip() if found else revision
    except (OSError, ValueError):
        return None
    return commit if COMMIT.fullmatch(commit) else None


def _blobs(repository: Path) -> dict[str, int]:
    """Sizes of all file contents, finished or not, of all revisions."""
    try:
        return {blob.name: blob.stat().st_size for blob in (repository / "blobs").iterdir()}
    except OSError:
        return {}


def _is_complete(repository: Path, commit: str, blobs: Mapping[str, int]) -> bool:
    """All that is needed is there. Without the hub's listing, an unfinished file means that something is not."""
    files = read_folder(repository / "snapshots" / commit)
    listed = listing(repository, commit)
    if listed is not None:
        return not files.lacks and listed.keys() <= files.names
    return not files.lacks and not any(name.endswith(UNFINISHED) for name in blobs)


def _left(model: BaseModel, repository: Path, commit: str | None, blobs: Mapping[str, int]) -> int | None:
    """Bytes still to fetch. What others have not finished counts in full: only our own downloads go on from there."""
    if commit and (listed := tree(repository, commit)):
        there = read_folder(repository / "snapshots" / commit).names
        lacking = {file.content: file.size for path, file in listed.items() if wanted(path) and path not in there}
        return sum(max(0, size - _arrived(blobs, content)) for content, size in lacking.items())
    finished = sum(size for name, size in blobs.items() if name.endswith(PART) or not name.endswith(UNFINISHED))
    return max(model.size_bytes - finished, 0) if model.size_bytes else None


def _arrived(blobs: Mapping[str, int], content: str) -> int:
    return blobs.get(content) or blobs.get(f"{content}{PART}", 0)
