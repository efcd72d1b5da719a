"""A portal copied while it works, and put back: the database as of one moment, then the files.

In this order each file that the database knows is there to be copied; what comes later is not known yet and does no
harm. The model cache is left out: its files come from the hub again.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import humanize
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from jobs.run_folder import hold_file

from .portal.readiness import CannotServe, only_one

MANIFEST = "backup.json"
FOLDERS = ("datasets", "runs", "models")
KEY = "secret_key"
PATIENCE = 60.0
"""Seconds that SQLite may wait for others."""
DUMPS = {"sqlite": "foretune.sqlite3", "postgresql": "foretune.dump"}


class CannotBackUp(Exception):
    """Why a backup could not be made or put back, for the person at the terminal."""


@dataclass
class Manifest:
    """What a backup holds; written last, so that one without it is known to be torn."""

    made_at: str
    database: str
    migrations: list[list[str]]
    left_out: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, folder: Path) -> Manifest:
        try:
            return cls(**json.loads((folder / MANIFEST).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise CannotBackUp(f"{folder} holds no whole backup: its {MANIFEST} is missing or torn.") from error


def back_up(target: Path, leave_out: Sequence[str] = ()) -> Manifest:
    """Copy database, key and folders of the home into a new folder, which is there whole or not at all."""
    if target.exists():
        raise CannotBackUp(f"{target} is there already. Name a folder that is not, so that no earlier backup is lost.")
    home, growing = Path(settings.HOME), target.with_name(f"{target.name}.part")
    folders = [name for name in FOLDERS if name not in leave_out]
    try:
        shutil.rmtree(growing, ignore_errors=True)
        growing.mkdir(parents=True, mode=0o700)
        _require_room(growing, sum(_sizes(home / name for name in folders)))
        manifest = Manifest(timezone.now().isoformat(), connection.vendor, _applied(), list(leave_out))
        _dump(growing / DUMPS[connection.vendor])
        for name in (KEY, *folders):
            for copied in _copy(home / name, growing / name):
                manifest.files, manifest.bytes = manifest.files + 1, manifest.bytes + copied
        (growing / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2))
        growing.rename(target)
    except OSError as error:
        raise CannotBackUp(f"The backup could not be written: {error.strerror or error}.") from error
    return manifest


def restore(source: Path, replace: bool = False) -> Manifest:
    """Put a backup back into the home of this installation and its database. Nothing of the portal may run."""
    manifest = Manifest.of(source)
    _require_fit(manifest, source)
    try:
        with only_one("web"), only_one("node"):
            if not replace and _has_tables():
                raise CannotBackUp(
                    "The database of this installation is not empty. Restore into a new home (FORETUNE_HOME) or a new "
                    "database (DATABASE_URL), or replace what is there with --replace."
                )
            _require_rest()
            _load(source / DUMPS[manifest.database])
            for name in (KEY, *FOLDERS):
                if name not in manifest.left_out:
                    _put_back(source / name, Path(settings.HOME) / name)
    except CannotServe as error:
        raise CannotBackUp(f"{error} A backup is put back while the portal is stopped.") from error
    except OSError as error:
        raise CannotBackUp(f"The backup could not be put back: {error.strerror or error}.") from error
    return manifest


def _require_fit(manifest: Manifest, source: Path) -> None:
    if manifest.database != connection.vendor:
        raise CannotBackUp(
            f"The backup is of {manifest.database}, and this installation uses {connection.vendor}. "
            "DATABASE_URL decides which."
        )
    known = MigrationLoader(None).disk_migrations
    newer = [name for app, name in manifest.migrations if (app, name) not in known]
    if newer:
        raise CannotBackUp(f"The backup was made by a newer version of the portal (it has {newer[0]}). Upgrade first.")
    whole = manifest.left_out or sum(1 for _ in _files(source)) >= manifest.files
    if not whole:
        raise CannotBackUp(f"{source} lacks files: it had {manifest.files} when it was made.")


def _require_rest() -> None:
    """Trainings outlive the portal, and write to both."""
    for lock in (Path(settings.HOME) / "runs").glob("*/lock"):
        held = hold_file(lock)
        if held is None:
            raise CannotBackUp(
                f"Job {lock.parent.name} still trains. Wait for it, or cancel it, before a backup is put back."
            )
        os.close(held)


def _applied() -> list[list[str]]:
    return [[app, name] for app, name in MigrationLoader(connection).applied_migrations]


def _has_tables() -> bool:
    return bool(connection.introspection.table_names())


# The database


def _dump(path: Path) -> None:
    """As of one moment, while others write."""
    if connection.vendor == "sqlite":
        with closing(_sqlite(connection.settings_dict["NAME"], "ro")) as source, closing(_sqlite(path, "rwc")) as copy:
            source.backup(copy, progress=_Patience())
    else:
        _run("pg_dump", "--format=custom", "--no-owner", f"--file={path}", *_address())


def _load(path: Path) -> None:
    connection.close()
    if connection.vendor == "sqlite":
        with closing(_sqlite(path, "ro")) as copy, closing(_sqlite(connection.settings_dict["NAME"], "rwc")) as target:
            copy.backup(target, progress=_Patience())
    else:
        replace = ["--clean", "--if-exists"] if _has_tables() else []
        connection.close()
        _run("pg_restore", "--no-owner", "--single-transaction", "--exit-on-error", *replace, *_address(), str(path))


def _sqlite(path: Path | str, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode={mode}", uri=True)


class _Patience:
    """SQLite waits for ever for somebody who holds the database; this side does not."""

    def __init__(self) -> None:
        self.end = time.monotonic() + PATIENCE

    def __call__(self, status: int, remaining: int, total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > self.end:
            raise CannotBackUp("Another program holds the database. Find out which, and try again.")


def _address() -> list[str]:
    told = connection.settings_dict
    named = {"--host": told["HOST"], "--port": told["PORT"], "--username": told["USER"], "--dbname": told["NAME"]}
    return [f"{option}={value}" for option, value in named.items() if value]


def _run(program: str, *arguments: str) -> None:
    """The password goes by the environment: arguments can be read by everybody on the machine."""
    environment = {**os.environ, "PGPASSWORD": str(connection.settings_dict["PASSWORD"] or "")}
    try:
        done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError as error:
        raise CannotBackUp(f"{program} is not installed here. It comes with PostgreSQL's client programs.") from error
    if done.returncode:
        raise CannotBackUp(f"{program} failed: {done.stderr.strip()}")


# The files


def _copy(source: Path, target: Path) -> Iterator[int]:
    """Copy a file or all of a folder, and tell the bytes of each file. What goes meanwhile is left out."""
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
        yield source.stat().st_size
        return
    for file in _files(source):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy2(file, copy, follow_symlinks=False)  # a registered file is a link, and stays one
            yield copy.lstat().st_size
        except FileNotFoundError:
            continue


def _put_back(source: Path, target: Path) -> None:
    """What was there is kept aside until the copy is whole."""
    if not source.exists():
        return
    growing, before = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.before")
    _remove(growing)
    for _ in _copy(source, growing):
        pass
    _remove(before)
    if target.exists():
        target.rename(before)
    growing.rename(target)
    _remove(before)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root) / name
            if name != MANIFEST and not name.endswith(".part") and (path.is_symlink() or path.is_file()):
                yield path


def _sizes(folders: Iterator[Path]) -> Iterator[int]:
    for folder in folders:
        for file in _files(folder):
            try:
                yield file.lstat().st_size
            except FileNotFoundError:
                continue


def _require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        sizes = f"{humanize.naturalsize(needed)}, and {folder.parent} has {humanize.naturalsize(free)} left"
        raise CannotBackUp(
            f"The backup would take {sizes}. Name a folder on a larger disk, or leave something out: --leave-out runs"
        )


def described(manifest: Manifest) -> dict[str, Any]:
    """For a sentence on the terminal."""
    left_out = f", without {' and '.join(manifest.left_out)}" if manifest.left_out else ""
    return {"files": manifest.files, "size": humanize.naturalsize(manifest.bytes), "left_out": left_out}
