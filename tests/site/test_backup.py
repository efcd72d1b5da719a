"""A backup is whole or not there, is made while the portal works, and comes back as it was."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.db import connection

from finetune_site import backup
from finetune_site.backup import CannotBackUp, Manifest, back_up, restore
from finetune_site.environment import ROOT
from finetune_site.portal.readiness import only_one
from jobs.run_folder import hold_file
from tests.throwaway_postgres import server

pytestmark = pytest.mark.django_db
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="copies a database of SQLite")


@pytest.fixture
def home(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a database of one row, a dataset, a registered file, a run and a cached model."""
    if connection.vendor == "sqlite":  # the test's own is in memory
        monkeypatch.setitem(connection.settings_dict, "NAME", str(tmp_path / "database"))
        with sqlite3.connect(tmp_path / "database") as database:
            database.execute("CREATE TABLE people AS SELECT 'ada' AS name")
        database.close()
    settings.HOME = tmp_path / "home"
    files = {
        "secret_key": "key",
        "datasets/1.data": "rows",
        "runs/7/1/output/weights": "weights",
        "hub/model": "big",
    }
    for name, text in files.items():
        path = settings.HOME / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    settings.RUNS_DIR = settings.HOME / "runs"
    (settings.HOME / "datasets" / "2.data").symlink_to(tmp_path / "elsewhere")
    (settings.HOME / "datasets" / "3.part").write_text("growing")
    return Path(settings.HOME)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or path.is_file()}


@on_sqlite
def test_it_holds_database_key_datasets_and_runs_but_no_cache(home: Path, tmp_path: Path) -> None:
    manifest = back_up(tmp_path / "backup")
    assert names(tmp_path / "backup") == {
        "backup.json", "foretune.sqlite3", "secret_key", "datasets/1.data", "datasets/2.data",
        "runs/7/1/output/weights",
    }  # fmt: skip
    assert (tmp_path / "backup" / "datasets" / "2.data").is_symlink()
    assert (manifest.files, (tmp_path / "backup").stat().st_mode & 0o077) == (4, 0)
    with sqlite3.connect(tmp_path / "backup" / "foretune.sqlite3") as copy:
        assert copy.execute("SELECT name FROM people").fetchone() == ("ada",)
    copy.close()


@on_sqlite
def test_what_is_left_out_is_told(home: Path, tmp_path: Path) -> None:
    back_up(tmp_path / "backup", ["runs"])
    assert not (tmp_path / "backup" / "runs").exists()
    assert Manifest.of(tmp_path / "backup").left_out == ["runs"]


def test_an_earlier_backup_is_never_overwritten(home: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotBackUp, match="is there already"):
        back_up(tmp_path)


def test_a_disk_that_is_too_small_is_told_before_anything_is_copied(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 3}))
    with pytest.raises(CannotBackUp, match=r"would take .* and .* has 3 Bytes"):
        back_up(tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_torn_backup_is_not_put_back(home: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotBackUp, match=r"holds no whole backup: its backup\.json is missing or torn"):
        restore(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"database": "oracle"}, "is of oracle, and this installation uses"),
        ({"migrations": [["jobs", "0999_to_come"]]}, "made by a newer version of the portal"),
        ({"files": 99}, "lacks files: it had 99"),
    ],
    ids=["another database", "newer", "incomplete"],
)
def test_a_backup_that_does_not_fit_is_refused(home: Path, tmp_path: Path, changes: Any, said: str) -> None:
    told = {"made_at": "", "database": connection.vendor, "migrations": [], **changes}
    (tmp_path / "backup.json").write_text(json.dumps(told))
    with pytest.raises(CannotBackUp, match=said):
        restore(tmp_path)


@on_sqlite
def test_nothing_is_put_back_under_a_portal_that_runs_or_over_data(home: Path, tmp_path: Path) -> None:
    back_up(tmp_path / "backup")
    lock = hold_file(home / "runs" / "7" / "lock")
    with pytest.raises(CannotBackUp, match="Job 7 still trains"):
        restore(tmp_path / "backup", replace=True)
    os.close(lock)
    with only_one("node"), pytest.raises(CannotBackUp, match="put back while the portal is stopped"):
        restore(tmp_path / "backup")
    with pytest.raises(CannotBackUp, match=r"is not empty.*--replace"):
        restore(tmp_path / "backup")


def inside(home: Path, url: str, *lines: str) -> list[str]:
    """What some code prints in a process of a portal with this home and database."""
    code = "\n".join(["from django.core.management import call_command", *lines])
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", code]
    environment = {**os.environ, "FORETUNE_HOME": str(home), "DATABASE_URL": url}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


PEOPLE = "print(*User.objects.values_list('username', flat=True))"


def there_and_back(tmp_path: Path, url: str = "", fresh: str = "") -> None:
    """Back a portal up, restore it elsewhere, and over itself after it has changed."""
    home, other, copy = tmp_path / "home", tmp_path / "other", tmp_path / "copy"
    (home / "datasets").mkdir(parents=True)
    (home / "datasets" / "1.data").write_text("rows")
    made = inside(home, url, "call_command('migrate', verbosity=0)", "User.objects.create(username='ada')",
                  f"call_command('backup', '{copy}')", "User.objects.create(username='grace')", PEOPLE)  # fmt: skip
    assert made[0].startswith("Backed up the database and 2 files") and made[1] == "ada grace"
    (home / "datasets" / "2.data").write_text("later")
    restored = inside(other, fresh, f"call_command('restore', '{copy}')", PEOPLE)
    assert restored[0].startswith("Restored the database and 2 files") and restored[1] == "ada"
    assert inside(home, url, f"call_command('restore', '{copy}', '--replace')", PEOPLE)[1] == "ada"
    assert names(home / "datasets") == names(other / "datasets") == {"1.data"}
    assert (other / "secret_key").read_text() == (home / "secret_key").read_text()


@on_sqlite
def test_a_database_that_somebody_holds_is_not_waited_for_for_ever(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PATIENCE", 0)
    with sqlite3.connect(tmp_path / "database") as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CannotBackUp, match="Another program holds the database"):
            back_up(tmp_path / "backup")
    holder.close()
    assert not (tmp_path / "backup").exists()


@pytest.mark.slow
def test_a_portal_with_sqlite_comes_back(tmp_path: Path) -> None:
    there_and_back(tmp_path)


@pytest.mark.slow
def test_a_portal_with_postgresql_comes_back(tmp_path: Path) -> None:
    with TemporaryDirectory() as folder, server(Path(folder)) as running:
        psql = ["psql", "--host", folder, "--username", "foretune", "--command"]
        subprocess.run([*psql, "CREATE DATABASE fresh", "postgres"], check=True, capture_output=True)
        there_and_back(tmp_path, running.url, running.url.replace("/postgres", "/fresh"))
