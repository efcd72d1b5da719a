"""Each test has a hub cache and a folder for local models of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import close_session, constants
from pytest_django import Settings

from models_catalog.inspections import forget

from .hub import Hub, running_hub

FILE_ADDRESS = "/{repo_id}/resolve/{revision}/{filename}"


@pytest.fixture(autouse=True)
def local_root(tmp_path: Path, settings: Settings) -> Path:
    settings.HUB_CACHE_DIR = tmp_path / "hub"
    settings.HOME = tmp_path
    settings.LOCAL_ROOTS = [(tmp_path / "models").resolve()]
    settings.HUB_CACHE_DIR.mkdir()
    settings.LOCAL_ROOTS[0].mkdir()
    return tmp_path / "models"


@pytest.fixture(autouse=True)
def _nothing_is_remembered_of_the_test_before() -> None:
    forget()


@pytest.fixture
def online(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"offline": False})
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    impatient = SimpleNamespace(sleep=lambda seconds: None)  # the library waits longer before each new try
    monkeypatch.setattr("huggingface_hub.utils._http.time", impatient)
    monkeypatch.setattr("huggingface_hub.file_download.time", impatient)


@pytest.fixture
def hub(online: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub() as started:
        monkeypatch.setattr(constants, "ENDPOINT", started.address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", started.address + FILE_ADDRESS)
        close_session()
        yield started
    close_session()
