"""Asking for a download: once for each revision, refused when it cannot work, cancelled by whom it concerns."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from finetune_site.problems import Problem
from models_catalog import downloads
from models_catalog.downloads import (
    ComesLater,
    bring_model,
    cancel_download,
    may_cancel,
    on_its_way,
    start_download,
    try_now,
)
from models_catalog.models import BaseModel, Download
from tests.make import make_model, make_user

from .folders import make_cached, make_hub_model

pytestmark = pytest.mark.django_db
FINDING = {
    "code": "catalogue.not-found",
    "severity": "error",
    "field": "model.name",
    "message": "The hub knows it not.",
}


def refusals(revision: str | None = None, **model: object) -> list[str]:
    with pytest.raises(Problem) as refused:
        start_download(model=make_hub_model(**model), revision=revision)
    assert not Download.objects.exists()
    return [finding.code for finding in refused.value.findings]


# Asking


def test_a_download_is_asked_for_once(
    online: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    model, first, second = make_hub_model(), make_user("first"), make_user("second")
    with django_capture_on_commit_callbacks(execute=True):
        assert start_download(model=model, by=first) == start_download(model=model, by=second)
    assert Download.objects.get().asked_by == first
    assert {task.task["func"] for task in OrmQ.objects.all()} == {"jobs.supervisor.tick"}


def test_the_main_revision_has_two_names(online: None) -> None:
    model = make_hub_model()
    assert start_download(model=model) == start_download(model=model, revision="main")
    assert start_download(model=model, revision="v2") != start_download(model=model)


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_after_one_has_ended_a_new_download_begins(online: None, state: str) -> None:
    model = make_hub_model()
    first = start_download(model=model)
    Download.objects.update(state=state)
    assert start_download(model=model) != first


@pytest.mark.parametrize("state", ["queued", "running", "waiting"])
def test_the_database_keeps_a_revision_from_two_downloads(online: None, state: str) -> None:
    download = start_download(model=make_hub_model())
    Download.objects.update(state=state)
    with pytest.raises(IntegrityError):
        Download.objects.create(model=download.model)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_many_who_ask_at_once_all_get_the_same(online: None) -> None:
    model = make_hub_model()
    found: list[int] = []

    def ask() -> None:
        found.append(start_download(model=model).pk)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found)), Download.objects.count()) == (6, 1, 1)


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
    said = ["catalogue.no-revision", "catalogue.offline", "catalogue.gated"]
    assert refusals("../../somewhere", gated=True) == said


def test_a_local_folder_that_is_gone_cannot_be_fetched(online: None) -> None:
    assert refusals(source="local", path="/gone") == ["catalogue.local"]


def test_a_token_opens_a_gated_model(online: None, settings: Settings) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"hub_token": "secret"})
    assert start_download(model=make_hub_model(gated=True)).state == "queued"


def test_one_that_waits_is_tried_at_once_when_somebody_wants_that() -> None:
    later = timezone.now() + timedelta(minutes=5)
    waiting = Download.objects.create(model=make_hub_model(), state="waiting", not_before=later)
    running = Download.objects.create(model=make_hub_model("acme/other"), state="running")
    for download in (waiting, running):
        try_now(download)
        download.refresh_from_db()
    assert waiting.not_before and waiting.not_before <= timezone.now()
    assert running.not_before is None


# On their way


def test_models_whose_download_goes_on_are_told_from_others() -> None:
    pairs: list[tuple[int | None, str | None]] = []
    for number, state in enumerate(Download.State):
        model = make_hub_model(f"acme/{number}")
        Download.objects.create(model=model, state=state)
        pairs.append((model.pk, None))
    under_way = on_its_way([*pairs, (pairs[0][0], "main"), (pairs[0][0], "v2"), (None, None)])
    assert under_way == {*pairs[:3], (pairs[0][0], "main")}
    assert [state.value for state in list(Download.State)[:3]] == ["queued", "running", "waiting"]


# Cancelling


def test_whoever_asked_and_staff_may_cancel() -> None:
    owner, stranger = make_user("owner"), make_user("stranger")
    download = Download.objects.create(model=make_hub_model(), asked_by=owner)
    assert may_cancel(download, owner)
    assert may_cancel(download, make_user("admin", is_staff=True))
    assert not may_cancel(download, stranger)
    with pytest.raises(Problem) as refused:
        cancel_download(download=download, by=stranger)
    assert (refused.value.status_code, Download.objects.get().state) == (403, "queued")


@pytest.mark.parametrize("state", ["queued", "waiting"])
def test_what_does_not_run_is_cancelled_at_once(state: str) -> None:
    owner = make_user("owner")
    download = Download.objects.create(model=make_hub_model(), asked_by=owner, state=state)
    assert cancel_download(download=download, by=owner, drop=True).state == "cancelled"
    assert Download.objects.get().drop_partial


def test_what_runs_is_asked_to_stop() -> None:
    owner = make_user("owner")
    download = Download.objects.create(model=make_hub_model(), asked_by=owner, state="running")
    asked = cancel_download(download=download, by=owner)
    assert (asked.state, asked.cancel_requested, asked.drop_partial) == ("running", True, False)


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_what_has_ended_cannot_be_cancelled(state: str) -> None:
    owner = make_user("owner")
    download = Download.objects.create(model=make_hub_model(), asked_by=owner, state=state)
    with pytest.raises(Problem) as refused:
        cancel_download(download=download, by=owner)
    assert (refused.value.status_code, Download.objects.get().state) == (409, state)


# Waiting for one, as a job does


@pytest.fixture
def model(online: None, monkeypatch: pytest.MonkeyPatch) -> BaseModel:
    monkeypatch.setattr(downloads, "EVERY", 0.01)
    monkeypatch.setattr(downloads, "tick", lambda: None)
    return make_hub_model()


def wait_for(model: BaseModel, *then: dict[str, object]) -> None:
    """Wait for a model while the row of its download changes step by step."""
    changes = iter(then)
    bring_model(model, None, None, lambda download: Download.objects.update(**next(changes)))


def test_a_model_at_hand_is_not_waited_for(model: BaseModel, settings: Settings) -> None:
    folder = make_cached(settings.HUB_CACHE_DIR)
    assert bring_model(model, None, None, lambda download: pytest.fail()) == folder
    assert not Download.objects.exists()


def test_who_waits_hears_how_far_it_is(model: BaseModel, settings: Settings) -> None:
    download = start_download(model=model, by=make_user())
    running = {"state": "running", "bytes_done": 412_000_000, "bytes_total": 2_900_000_000}
    texts: list[str] = []

    def hear(told: Download) -> None:
        texts.append(str(told.progress["text"]))
        Download.objects.update(**running if len(texts) == 1 else {"state": "done"})
        if len(texts) == 2:
            make_cached(settings.HUB_CACHE_DIR)

    assert bring_model(model, None, None, hear).is_dir()
    assert texts == ["Downloading model… waiting to begin", "Downloading model… 412 MB of 2.9 GB"]
    assert Download.objects.get() == download


def test_the_texts_are_those_of_the_job_page() -> None:
    download = Download(state="running", bytes_done=412_000_000, bytes_total=2_900_000_000, bytes_per_second=7_000_000)
    assert download.progress == {
        "text": "Downloading model… 412 MB of 2.9 GB, 7 MB a second, about 6 minutes left",
        "fraction": 412 / 2900,
        "eta_seconds": 355,
    }
    assert Download(state="queued").progress["text"] == "Downloading model… waiting to begin"


def test_a_failure_is_the_jobs_failure(model: BaseModel) -> None:
    with pytest.raises(Problem) as failed:
        wait_for(model, {"state": "failed", "error": FINDING})
    assert [finding.as_dict()["code"] for finding in failed.value.findings] == [FINDING["code"]]


def test_a_download_that_somebody_cancelled_lets_the_job_go_back(model: BaseModel) -> None:
    with pytest.raises(ComesLater, match="was cancelled"):
        wait_for(model, {"state": "cancelled"})


def test_a_download_that_waits_lets_the_job_go_back(model: BaseModel) -> None:
    later = timezone.now() + timedelta(minutes=5)
    with pytest.raises(ComesLater) as put_off:
        wait_for(model, {"state": "waiting", "not_before": later, "error": FINDING}, {})
    assert put_off.value.not_before == later
    assert put_off.value.findings[0].message == FINDING["message"]


def test_ending_the_wait_does_not_end_the_download(model: BaseModel) -> None:
    def leave(download: Download) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring_model(model, None, None, leave)
    assert Download.objects.get().state == "queued"


def test_who_waits_ticks_if_nobody_else_does(model: BaseModel, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: list[float] = []
    monkeypatch.setattr(downloads, "TICK_EVERY", 0.05)
    monkeypatch.setattr(downloads, "tick", lambda: ticks.append(time.monotonic()))
    with pytest.raises(Problem):
        wait_for(model, *[{} for _ in range(10)], {"state": "failed", "error": FINDING})
    assert len(ticks) > 1
