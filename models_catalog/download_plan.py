"""Which files of a repository a download needs, where they lie in the cache, and how much of them has arrived."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from django.conf import settings
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.hf_api import RepoSibling

from . import refusals
from .hub_access import PATIENCE, token
from .hub_files import PART, repository_folder, wanted
from .models import BaseModel
from .refusals import refuse
from .transfer import DIGEST, RemoteFile, size_of

REVISION = re.compile(r"(?!.*\.\.)[\w][\w.-]*(/[\w][\w.-]*)*", re.ASCII)


@dataclass(frozen=True)
class Plan:
    """The files of one commit that a model needs. Contents that are equal are fetched once."""

    name: str
    revision: str
    commit: str
    files: tuple[RemoteFile, ...]
    gated: bool

    @property
    def repository(self) -> Path:
        return repository_folder(Path(settings.HUB_CACHE_DIR), self.name)

    @property
    def blobs(self) -> Path:
        return self.repository / "blobs"

    @cached_property
    def contents(self) -> tuple[RemoteFile, ...]:
        """One file of each content, large ones first, so that no single one is left for the end."""
        each = {file.content: file for file in self.files}
        return tuple(sorted(each.values(), key=lambda file: -file.size))

    @cached_property
    def total(self) -> int:
        return sum(file.size for file in self.contents)

    @property
    def done(self) -> int:
        """Bytes that have arrived."""
        return sum(min(arrived(self.blobs, file.content), file.size) for file in self.contents)


def arrived(blobs: Path, content: str) -> int:
    """Bytes of one content that are here, whole or in part."""
    return size_of(blobs / content) or size_of(blobs / f"{content}{PART}")


def plan_of(model: BaseModel, revision: str) -> Plan:
    """Ask the hub what is to be fetched, and note in the cache what it lists. Raises `Problem`, or what the hub says.

    Branches move; from here on everything is of one commit.
    """
    if not REVISION.fullmatch(revision):
        raise refuse(refusals.no_revision(model.name, revision))
    info = HfApi(token=token()).model_info(model.name, revision=revision, files_metadata=True, timeout=PATIENCE)
    needed = [file for file in info.siblings or [] if wanted(file.rfilename)]
    if not any(file.rfilename.endswith(".safetensors") for file in needed):
        raise refuse(refusals.unsafe(model.name))
    commit = info.sha or revision
    files = tuple(_remote(model.name, commit, file) for file in needed)
    plan = Plan(model.name, revision, commit, files, bool(info.gated))
    _note(plan)
    return plan


def _remote(name: str, commit: str, file: RepoSibling) -> RemoteFile:
    content, size = (file.lfs.sha256, file.lfs.size) if file.lfs else (file.blob_id, file.size)
    if content is None or size is None or not DIGEST.fullmatch(content):
        raise refuse(refusals.no_digest(name, file.rfilename))
    return RemoteFile(name, commit, file.rfilename, size, content)


def _note(plan: Plan) -> None:
    """Have the library list the commit and fetch nothing: what reads its cache then knows what is still to come."""
    plan.blobs.mkdir(parents=True, exist_ok=True)
    snapshot_download(
        plan.name, revision=plan.commit, cache_dir=settings.HUB_CACHE_DIR, allow_patterns=[], token=token()
    )
    if plan.revision != plan.commit:
        _write_whole(plan.repository / "refs" / plan.revision, plan.commit)


def _write_whole(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    growing = file.with_name(f"{file.name}{PART}")
    growing.write_text(text)
    growing.replace(file)


def link(plan: Plan) -> Path:
    """Give the contents the names of their files, as the library does; answers with the folder."""
    folder = plan.repository / "snapshots" / plan.commit
    folder.mkdir(parents=True, exist_ok=True)
    for file in plan.files:
        name, growing = folder / file.path, folder / f"{file.path}{PART}"
        growing.unlink(missing_ok=True)
        growing.symlink_to(Path("../../blobs") / file.content)
        growing.replace(name)
    return folder


def drop_partial(name: str) -> int:
    """Delete what has arrived of a model and belongs to no snapshot; answers how many bytes that was.

    What the library fetches meanwhile for somebody else lies in files of other names.
    """
    repository = repository_folder(Path(settings.HUB_CACHE_DIR), name)
    names = (repository / "snapshots").rglob("*")
    linked = {name.readlink().name for name in names if name.is_symlink()}
    freed = 0
    for blob in list(_ours(repository / "blobs")):
        if blob.name not in linked:
            freed += size_of(blob)
            blob.unlink(missing_ok=True)
    return freed


def _ours(blobs: Path) -> Iterator[Path]:
    """Whole contents and our own partial ones."""
    for blob in blobs.glob("*"):
        if blob.name.endswith(PART) or DIGEST.fullmatch(blob.name):
            yield blob
