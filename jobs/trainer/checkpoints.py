"""Checkpoints on the disk: whole or not at all, looked through before use, and no more of them than are needed.

A checkpoint is written aside and renamed once it is on the disk with its manifest, `complete.json`. The standard
library is all that is needed here, so that the portal can look at checkpoints too.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "complete.json"
FORMAT = 1
KEPT = 2
"""Checkpoints that are kept: the newest and the one before, or with early stopping the newest and the best."""

_NAMED = re.compile(r"checkpoint-(\d+)")
_ASIDE = "writing-"
_STATE = re.compile(
    r"(optimizer|scheduler|scaler)\.pt|rng_state(_\d+)?\.pth|resume(_\d+)?\.json|trainer_state\.json|complete\.json"
)
"""Files that only serve to go on. All others are what was trained: weights, configuration, tokenizer."""


class Unsound(Exception):
    """A checkpoint cannot be used; the text says why."""


@dataclass(frozen=True)
class Checkpoint:
    """One that was found complete. `job` tells what it belongs to, `best` the step of the best one so far."""

    folder: Path
    step: int
    job: str
    best: int | None
    files: Mapping[str, Mapping[str, Any]]

    @property
    def bytes(self) -> int:
        return sum(each["size"] for each in self.files.values())

    @property
    def artifacts(self) -> list[dict[str, Any]]:
        """What was trained so far, listed as in result.json: the partial result of a run that was stopped."""
        kept = sorted(name for name in self.files if not _STATE.fullmatch(name))
        return [{"name": name, **self.files[name]} for name in kept]


def named(store: Path, step: int) -> Path:
    return store / f"checkpoint-{step}"


def last_complete(stores: Iterable[Path]) -> Checkpoint | None:
    """The newest one whose files are all there in their sizes. Quick: their content is not looked through."""
    for folder in _newest_first(stores):
        try:
            return read(folder)
        except Unsound:
            continue
    return None


def last_sound(stores: Iterable[Path], job: str) -> tuple[Checkpoint | None, list[tuple[int, str]]]:
    """The newest one of `job` that is sound to the last byte, and the step and fault of each that is newer."""
    refused: list[tuple[int, str]] = []
    for folder in _newest_first(stores):
        try:
            return verified(folder, job), refused
        except Unsound as fault:
            refused.append((_step(folder), str(fault)))
    return None, refused


def _newest_first(stores: Iterable[Path]) -> list[Path]:
    """Of the same step that of the store named first."""
    folders = [each for store in stores for each in _folders(store)]
    return sorted(folders, key=_step, reverse=True)


def _folders(store: Path) -> list[Path]:
    return [each for each in store.glob("checkpoint-*") if _NAMED.fullmatch(each.name)]


def _step(folder: Path) -> int:
    found = _NAMED.fullmatch(folder.name)
    return int(found[1]) if found else 0


def read(folder: Path) -> Checkpoint:
    """The checkpoint of a folder as its manifest tells it. Raises `Unsound` unless all files are there."""
    manifest = _manifest(folder)
    checkpoint = Checkpoint(folder, manifest["step"], manifest["job"], manifest["best"], manifest["files"])
    for name, told in checkpoint.files.items():
        size = _size(folder / name)
        if size != told["size"]:
            raise Unsound(f"{name} {_other_size(size, told['size'])}")
    return checkpoint


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        told = manifest.pop("digest")
    except FileNotFoundError:
        raise Unsound("it was not written to its end") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Unsound(f"its {MANIFEST} cannot be read") from None
    if told != _digest_of(manifest) or manifest["format"] != FORMAT or manifest["step"] != _step(folder):
        raise Unsound(f"its {MANIFEST} is damaged")
    return manifest


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _other_size(found: int | None, told: int) -> str:
    return "is missing" if found is None else f"has {found} bytes instead of {told}"


def verified(folder: Path, job: str) -> Checkpoint:
    """A checkpoint of `job` whose every byte is as it was written, its best one's too. Raises `Unsound`."""
    checkpoint = _intact(folder)
    if checkpoint.job != job:
        raise Unsound("it belongs to a job with other settings or other rows")
    if checkpoint.best is not None and checkpoint.best != checkpoint.step:
        try:
            _intact(named(folder.parent, checkpoint.best))
        except Unsound as fault:
            raise Unsound(f"the best one before it, of step {checkpoint.best}, is lost: {fault}") from None
    return checkpoint


def _intact(folder: Path) -> Checkpoint:
    checkpoint = read(folder)
    for name, told in checkpoint.files.items():
        try:
            if sha256(folder / name) != told["sha256"]:
                raise Unsound(f"the content of {name} has changed since it was written")
        except OSError:
            raise Unsound(f"{name} cannot be read") from None
    return checkpoint


def being_written(store: Path, step: int) -> Path:
    return store / f"{_ASIDE}{step}"


@contextmanager
def aside(store: Path, step: int) -> Iterator[Path]:
    """A folder to write a checkpoint to. It is gone afterwards unless it was sealed."""
    folder = being_written(store, step)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def seal(written: Path, *, job: str, best: int | None = None) -> Checkpoint:
    """Bring a written folder onto the disk with its manifest, and only then give it its name."""
    step = int(written.name.removeprefix(_ASIDE))
    files = {
        path.relative_to(written).as_posix(): {"size": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(written.rglob("*"))
        if path.is_file()
    }
    manifest = {"format": FORMAT, "step": step, "job": job, "best": best, "files": files}
    text = json.dumps({**manifest, "digest": _digest_of(manifest)}, indent=1)
    (written / MANIFEST).write_text(text)
    for path in (*written.rglob("*"), written):
        _to_disk(path)
    return Checkpoint(_take_name(written, named(written.parent, step)), step, job, best, files)


def _take_name(written: Path, folder: Path) -> Path:
    """A damaged one of the same step, after which the run fell back, makes room."""
    if folder.exists():
        shutil.rmtree(folder)
    written.rename(folder)
    _to_disk(folder.parent)
    return folder


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prune(store: Path, *, best: int | None = None, keep: int = KEPT) -> None:
    """Delete all but the newest complete ones and the best one, which counts among them.

    What is damaged does not count, and goes once there are enough others.
    """
    folders = _newest_first([store])
    complete = [each for each in folders if _is_complete(each)]
    kept = [each for each in complete if _step(each) == best]
    kept += [each for each in complete if each not in kept][: max(1, keep - len(kept))]
    for folder in folders if len(complete) >= keep else complete:
        if folder not in kept:
            _forget(folder)


def _is_complete(folder: Path) -> bool:
    try:
        read(folder)
    except Unsound:
        return False
    return True


def _forget(folder: Path) -> None:
    """The manifest first: a checkpoint that is half deleted must not look like one."""
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def adopt(checkpoint: Checkpoint, store: Path) -> Checkpoint:
    """The same checkpoint, and the best one before it, in another store: linked, so that it takes no room.

    Whoever owns the store it came from may then delete that.
    """
    if checkpoint.folder.parent == store:
        return checkpoint
    if checkpoint.best is not None and checkpoint.best != checkpoint.step:
        _link(named(checkpoint.folder.parent, checkpoint.best), store)
    return read(_link(checkpoint.folder, store))


def _link(folder: Path, store: Path) -> Path:
    with aside(store, _step(folder)) as linked:
        shutil.copytree(folder, linked, copy_function=_linked, dirs_exist_ok=True)
        return _take_name(linked, store / folder.name)


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(source, target)
        _to_disk(Path(target))


def clear_half_written(store: Path) -> None:
    """What a process left behind that was killed while it wrote."""
    for folder in store.glob(f"{_ASIDE}*"):
        shutil.rmtree(folder, ignore_errors=True)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
