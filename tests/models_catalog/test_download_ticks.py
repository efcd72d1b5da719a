"""Ticks: downloads that wait are started, those whose process died go on, what was cancelled is cleared away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from jobs.run_folder import hold_file
from models_catalog import download_ticks
from models_catalog.download_process import BACKOFF
from models_catalog.download_ticks import LOST, MOST_AT_ONCE, SILENT, lock_file, tick, work
from models_catalog.hub_files import PART
from models_catalog.models import BaseModel, Download

from .folders import make_hub_model

pytestmark = pytest.mark.django_db
AGO = timedelta(seconds=1)


@dataclass
class Launched:
    """Downloads whose process would have been started; each holds its lock until it `dies`."""

    downloads: list[int] = field(default_factory=list)
    locks: dict[int, int] = field(default_factory=dict)

    def start(self, command: list[str], *, log: Path, pass_fds: list[int]) -> None:
        assert command[2] == "download"
        assert command[4:] == ["--lock", str(pass_fds[0])]
        self.downloads.append(int(command[3]))
        self.locks[int(command[3])] = os.dup(pass_fds[0])

    def dies(self, download: Download) -> None:
        os.close(self.locks.pop(download.pk))


@pytest.fixture(autouse=True)
def launched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Launched]:
    started = Launched()
    monkeypatch.setattr(download_ticks, "start_detached", started.start)
    yield started
    for lock in started.locks.values():
        os.close(lock)


def make_download(name: str = "acme/tiny-llama", **changes: object) -> Download:
    model = BaseModel.objects.filter(name=name).first() or make_hub_model(name)
    return Download.objects.create(model=model, **changes)


def after_a_tick(download: Download) -> Download:
    tick()
    download.refresh_from_db()
    return download


# Starting


def test_what_is_queued_is_started_once(launched: Launched) -> None:
    download = make_download()
    tick()
    after_a_tick(download)
    assert launched.downloads == [download.pk]
    assert (download.state, download.machine) == ("running", settings.MACHINE_NAME)


@pytest.mark.parametrize(("state", "started"), [("done", 0), ("failed", 0), ("cancelled", 0), ("queued", 1)])
def test_what_has_ended_is_left_alone(launched: Launched, state: str, started: int) -> None:
    assert after_a_tick(make_download(state=state)).pk
    assert len(launched.downloads) == started


@pytest.mark.parametrize(("seconds", "state"), [(-1, "running"), (60, "waiting")])
def test_what_waits_goes_on_when_its_time_has_come(launched: Launched, seconds: int, state: str) -> None:
    later = timezone.now() + timedelta(seconds=seconds)
    download = after_a_tick(make_download(state="waiting", not_before=later, tries=3))
    assert (download.state, download.tries) == (state, 3)


def test_only_some_run_at_once(launched: Launched) -> None:
    each = [make_download(f"acme/{number}") for number in range(MOST_AT_ONCE + 2)]
    tick()
    assert launched.downloads == [download.pk for download in each[:MOST_AT_ONCE]]
    Download.objects.filter(pk=each[0].pk).update(state="done")
    tick()
    assert launched.downloads[-1] == each[MOST_AT_ONCE].pk


def test_two_revisions_of_a_model_are_fetched_one_after_the_other(launched: Launched) -> None:
    first, second = make_download(), make_download(revision="v2")
    tick()
    assert launched.downloads == [first.pk]
    Download.objects.filter(pk=first.pk).update(state="done")
    launched.dies(first)
    tick()
    assert launched.downloads == [first.pk, second.pk]


# Going on


def test_a_dead_process_is_followed_by_another(launched: Launched) -> None:
    download = after_a_tick(make_download())
    launched.dies(download)
    after_a_tick(download)
    assert launched.downloads == [download.pk, download.pk]
    assert (download.state, download.tries) == ("running", 1)


def test_one_that_dies_again_and_again_is_given_up(launched: Launched) -> None:
    download = make_download(state="running", tries=len(BACKOFF))
    after_a_tick(download)
    assert (download.state, download.error["code"], launched.downloads) == ("failed", "catalogue.died", [])


def test_a_dead_one_that_nobody_wants_is_not_followed(launched: Launched) -> None:
    download = after_a_tick(make_download(state="running", cancel_requested=True, bytes_reserved=5))
    assert (download.state, download.bytes_reserved, launched.downloads) == ("cancelled", 0, [])


def test_what_another_machine_fetches_is_its_own_until_it_is_lost(launched: Launched) -> None:
    download = after_a_tick(make_download(state="running", machine="elsewhere"))
    assert (launched.downloads, download.machine) == ([], "elsewhere")
    Download.objects.update(touched_at=timezone.now() - LOST - AGO)
    after_a_tick(download)
    assert (launched.downloads, download.machine) == ([download.pk], settings.MACHINE_NAME)


def test_a_silent_one_behind_another_revision_waits_for_it(launched: Launched) -> None:
    """It was started by a tick that the machine's end cut off: no process of its own lives."""
    download = make_download(state="running")
    Download.objects.update(touched_at=timezone.now() - SILENT - AGO)
    lock = hold_file(lock_file(download.model.name))
    assert lock is not None
    try:
        assert after_a_tick(download).state == "queued"
    finally:
        os.close(lock)


def test_a_cache_that_cannot_be_written_is_said(launched: Launched, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(lock: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(download_ticks, "hold_file", fails)
    download = after_a_tick(make_download())
    assert (download.state, download.error["code"]) == ("failed", "catalogue.unexpected")


def test_a_process_whose_row_was_taken_away_does_nothing(tmp_path: Path) -> None:
    download = make_download(state="cancelled")
    with (tmp_path / "lock").open("w") as lock:
        work(download.pk, lock.fileno())
    download.refresh_from_db()
    assert download.state == "cancelled"


# Clearing away


@pytest.fixture
def part() -> Path:
    blobs = settings.HUB_CACHE_DIR / "models--acme--tiny-llama" / "blobs"
    blobs.mkdir(parents=True)
    file = blobs / f"{64 * 'a'}{PART}"
    file.write_bytes(bytes(100))
    return file


def test_what_a_cancelled_download_has_brought_is_deleted_if_wanted(part: Path) -> None:
    download = after_a_tick(make_download(state="cancelled", bytes_done=100))
    assert part.exists()
    Download.objects.update(drop_partial=True)
    after_a_tick(download)
    assert (part.exists(), download.drop_partial, download.bytes_done) == (False, False, 0)


def test_what_somebody_else_wants_by_now_is_kept(part: Path) -> None:
    cancelled = make_download(state="cancelled", drop_partial=True)
    make_download()
    assert not after_a_tick(cancelled).drop_partial
    assert part.exists()


def test_nothing_is_deleted_while_its_process_lives(part: Path) -> None:
    download = make_download(state="cancelled", drop_partial=True)
    lock = hold_file(lock_file(download.model.name))
    assert lock is not None
    assert after_a_tick(download).drop_partial
    assert part.exists()
    os.close(lock)
    after_a_tick(download)
    assert not part.exists()
