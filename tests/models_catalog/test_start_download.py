"""Asking for a download: once for each model, refused when it cannot work."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from finetune_site.problems import Problem
from models_catalog.models import Download
from models_catalog.services import SILENT, start_download
from tests.make import make_model

from .folders import make_cached, make_hub_model

pytestmark = pytest.mark.django_db


def refusals(**model: object) -> list[str]:
    with pytest.raises(Problem) as refused:
        start_download(model=make_hub_model(**model))
    assert not Download.objects.exists()
    assert {finding.field for finding in refused.value.findings} == {"model.name"}
    return [finding.code for finding in refused.value.findings]


def test_a_download_is_queued_once(
    online: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    model = make_hub_model()
    with django_capture_on_commit_callbacks(execute=True):
        first, second = start_download(model=model), start_download(model=model)
    assert first == second
    assert OrmQ.objects.count() == 1


def test_a_download_whose_worker_died_is_queued_again(
    online: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    model = make_hub_model()
    download = start_download(model=model)
    Download.objects.update(state="running", touched_at=timezone.now() - SILENT - timedelta(seconds=1))
    with django_capture_on_commit_callbacks(execute=True):
        assert start_download(model=model) == start_download(model=model) == download
    assert OrmQ.objects.count() == 1


def test_after_a_failure_a_new_download_begins(online: None) -> None:
    model = make_hub_model()
    first = start_download(model=model)
    Download.objects.update(state="failed")
    assert start_download(model=model) != first


def test_the_database_keeps_a_model_from_two_downloads(online: None) -> None:
    download = start_download(model=make_hub_model())
    with pytest.raises(IntegrityError):
        Download.objects.create(model=download.model)


def test_a_cached_model_is_done_at_once(settings: Settings) -> None:
    make_cached(settings.HUB_CACHE_DIR)
    model = make_hub_model()
    download = start_download(model=model)
    assert (download.state, download.percent) == ("done", 100)
    assert start_download(model=model) == download


def test_a_local_model_is_done_at_once() -> None:
    assert start_download(model=make_model()).state == "done"


def test_offline_is_said() -> None:
    assert refusals() == ["catalogue.offline"]


def test_a_gated_model_without_a_token_is_said(online: None) -> None:
    assert refusals(gated=True) == ["catalogue.gated"]


def test_everything_wrong_is_said_at_once() -> None:
    assert refusals(gated=True) == ["catalogue.offline", "catalogue.gated"]


def test_a_local_folder_that_is_gone_cannot_be_fetched(online: None) -> None:
    assert refusals(source="local", path="/gone") == ["catalogue.local"]


def test_a_token_opens_a_gated_model(online: None, settings: Settings) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"hub_token": "secret"})
    assert start_download(model=make_hub_model(gated=True)).state == "queued"
