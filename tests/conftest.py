"""Every test run has a home of its own, off the network; markers choose themselves by what this machine has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

_HOME = tempfile.mkdtemp(prefix="foretune-tests-")
os.environ["FORETUNE_HOME"] = _HOME
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.pop("HF_HUB_CACHE", None)
os.environ["FORETUNE_MACHINE_NAME"] = "testmachine"
os.environ["DJANGO_SETTINGS_MODULE"] = "finetune_site.settings"  # in pyproject.toml it would be read before this

if TYPE_CHECKING:
    from playwright.sync_api import Browser

import django  # noqa: E402
import pytest  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import connections  # noqa: E402

django.setup()
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # hard hashing is Django's to test


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip


def _browser() -> bool:
    return CHROMIUM is not None


def _postgres() -> bool:
    return os.environ.get("DATABASE_URL", "").startswith("postgres")


@cache
def _gpu() -> bool:
    """Importing torch takes seconds, so it is only asked when a test wants a GPU."""
    if not find_spec("torch"):
        return False
    import torch

    return torch.cuda.is_available()


NEEDS: dict[str, tuple[Callable[[], bool], str]] = {
    "browser": (_browser, "needs Chromium"),
    "postgres": (_postgres, "needs DATABASE_URL to name a PostgreSQL server (make test-postgres)"),
    "gpu": (_gpu, "needs a CUDA device"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker, (available, reason) in NEEDS.items():
            if item.get_closest_marker(marker) and not available():
                item.add_marker(pytest.mark.skip(reason=reason))
    # Playwright leaves an event loop running in this thread, in which nothing asynchronous can be tested any more
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests.

    Playwright's loop runs in this thread: Django must be told that it is no danger, and would look for its
    connection in a storage of the loop's own, so the one of the test database is put there.
    """
    from playwright.sync_api import sync_playwright

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    connection = connections["default"]
    with sync_playwright() as playwright:
        connections["default"] = connection
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(autouse=True)
def _nothing_is_throttled_by_the_test_before() -> Iterator[None]:
    from django.core.cache import cache as django_cache

    yield
    django_cache.clear()


@pytest.fixture(scope="session")
def _make_warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], None]]:
    """Gives a function that waits for a warm process, started when there is none."""
    from jobs.warm import client

    path = tmp_path_factory.mktemp("warm") / "socket"
    started: list[subprocess.Popen[bytes]] = []

    def make_warm() -> None:
        os.environ[client.SOCKET] = str(path)
        end = time.monotonic() + 180
        while not client.is_warm():
            assert time.monotonic() < end, "The warm process did not get warm."
            if not started or started[-1].poll() is not None:  # it ends when code has changed
                command = [sys.executable, "-m", "jobs.warm", str(path)]
                started.append(subprocess.Popen(command, cwd=client.ROOT, env=client.clean_environment()))
            time.sleep(0.1)

    yield make_warm
    for process in started:
        process.terminate()
        process.wait(30)


@pytest.fixture
def warm(_make_warm: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A real warm process; it takes seconds to get warm, once for all tests that ask for it."""
    from jobs.warm.client import SOCKET

    monkeypatch.setenv(SOCKET, os.environ.get(SOCKET, ""))
    _make_warm()


@pytest.fixture(autouse=True)
def _everything_was_rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a job that is submitted is queued at once. `nothing_was_rehearsed` takes it back.

    Rows are not counted either, which would take a process with all libraries.
    """
    from jobs import rehearsals, review
    from tests.rehearsals import passed_before

    monkeypatch.setattr(review, "remembered", passed_before)
    monkeypatch.setattr(rehearsals, "count_at_once", lambda *_: False)


@pytest.fixture
def nothing_was_rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs import rehearsed, review

    monkeypatch.setattr(review, "remembered", rehearsed.remembered)


@pytest.fixture
def home() -> Path:
    """The home of this run."""
    return Path(_HOME)
