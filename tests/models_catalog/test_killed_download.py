"""Real processes on a real hub: killed at any byte a download goes on there, stopped it is ended, cancelled it ends."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from finetune_site.environment import ROOT
from tests.make import write_model_files

from .hub import Hub, running_hub

pytestmark = pytest.mark.slow
NAME, WEIGHTS = "acme/tiny-llama", "model.safetensors"
LOST_AT_A_KILL = 1 << 20
"""Bytes under way between hub and disk: what lies in the sockets' buffers."""
PORTAL = """
import sys, time
from datetime import timedelta
import django
django.setup()
from models_catalog import download_ticks
from models_catalog.models import BaseModel, Download, ModelFamily
download_ticks.SILENT = timedelta(seconds=20)
model = BaseModel.objects.create(name="acme/tiny-llama", family=ModelFamily.objects.first())
Download.objects.create(model=model)
while True:
    download_ticks.tick()
    time.sleep(0.2)
"""


@dataclass
class Portal:
    """A home of its own with a hub, and a process that ticks."""

    home: Path
    hub: Hub

    def row(self, *fields: str) -> tuple[object, ...]:
        with sqlite3.connect(self.home / "foretune.sqlite3", timeout=10) as database:
            names = ", ".join(fields)
            row = database.execute(f"SELECT {names} FROM models_catalog_download").fetchone()  # noqa: S608
        return tuple(row)

    def write(self, changes: str) -> None:
        with sqlite3.connect(self.home / "foretune.sqlite3", timeout=10) as database:
            database.execute(f"UPDATE models_catalog_download SET {changes}")  # noqa: S608

    def process(self) -> psutil.Process | None:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.cmdline()[2:3] == ["download"] and self._is_ours(process):
                    return process
        return None

    def _is_ours(self, process: psutil.Process) -> bool:
        dead = process.status() == psutil.STATUS_ZOMBIE
        return not dead and process.environ().get("FORETUNE_HOME") == str(self.home)

    def until(self, what: Callable[[], object], seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, self.row("state", "bytes_done", "error")
            time.sleep(0.05)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose database has its tables."""
    home = tmp_path_factory.mktemp("migrated")
    migrate = [sys.executable, str(ROOT / "manage.py"), "migrate", "-v0"]
    subprocess.run(migrate, env=environment_of(home), check=True, cwd=ROOT)
    return home


def environment_of(home: Path, hub: str = "") -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    ours = {"FORETUNE_HOME": str(home), "FORETUNE_MACHINE_NAME": "here", "HF_HUB_OFFLINE": "0"}
    return kept | ours | ({"HF_ENDPOINT": hub} if hub else {})


@pytest.fixture
def portal(tmp_path: Path, migrated: Path) -> Iterator[Portal]:
    shutil.copytree(migrated, tmp_path / "home")
    write_model_files(tmp_path / "published")
    with running_hub() as hub:
        hub.publish(NAME, tmp_path / "published")
        hub.repositories[NAME][WEIGHTS] += os.urandom(12_000_000)
        hub.bytes_per_second = 3_000_000
        environment = environment_of(tmp_path / "home", hub.address)
        ticking = subprocess.Popen([sys.executable, "-c", PORTAL], env=environment, cwd=ROOT)
        started = Portal(tmp_path / "home", hub)
        try:
            yield started
        finally:
            ticking.kill()
            ticking.wait()
            if left := started.process():
                left.kill()


def test_a_download_that_is_killed_again_and_again_goes_on_where_it_was(portal: Portal) -> None:
    whole = len(portal.hub.repositories[NAME][WEIGHTS])
    shares = (0.3, 0.7)
    for share in shares:
        portal.until(lambda share=share: portal.hub.sent[WEIGHTS] > share * whole)  # type: ignore[misc]
        process = portal.process()
        assert process
        process.send_signal(signal.SIGKILL)
    portal.until(lambda: portal.row("state") == ("done",))
    assert portal.hub.sent[WEIGHTS] <= whole + len(shares) * LOST_AT_A_KILL
    asked = [headers.get("Range", "bytes=0-") for file, headers in portal.hub.calls if file == WEIGHTS]
    starts = [int(range_.removeprefix("bytes=").removesuffix("-")) for range_ in asked]
    assert starts == sorted(set(starts))
    assert len(starts) == 1 + len(shares)
    [weights] = (portal.home / "hub" / "models--acme--tiny-llama" / "snapshots").glob(f"*/{WEIGHTS}")
    assert weights.read_bytes() == portal.hub.repositories[NAME][WEIGHTS]


def test_a_download_that_is_frozen_is_ended_and_goes_on_and_one_that_is_cancelled_leaves_nothing(
    portal: Portal,
) -> None:
    portal.hub.bytes_per_second = 400_000
    portal.until(lambda: portal.hub.sent[WEIGHTS] > 200_000)
    frozen = portal.process()
    assert frozen
    frozen.send_signal(signal.SIGSTOP)
    portal.until(lambda: (found := portal.process()) and found.pid != frozen.pid)
    portal.until(lambda: len([file for file, _ in portal.hub.calls if file == WEIGHTS]) == 2)
    portal.write("cancel_requested = 1, drop_partial = 1")
    begun = time.monotonic()
    portal.until(lambda: portal.process() is None)
    assert time.monotonic() - begun < 10  # the whole would take half a minute
    portal.until(lambda: portal.row("state", "drop_partial") == ("cancelled", 0))
    assert not list((portal.home / "hub" / "models--acme--tiny-llama" / "blobs").iterdir())
