"""The models of waiting jobs are fetched while the jobs wait, and jobs whose model is here go first."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from jobs import fetching
from jobs.fetching import MOST, models_first, see_to_models
from jobs.models import Job, State
from models_catalog import download_ticks
from models_catalog.models import BaseModel, Download
from tests.make import make_family, make_job, make_model, make_spec, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ENVIRONMENT", settings.ENVIRONMENT.model_copy(update={"offline": False}))
    monkeypatch.setattr(fetching, "tick", lambda: None)


def hub_model(name: str = "some/model", **changes: object) -> BaseModel:
    return BaseModel.objects.create(name=name, family=make_family(), **changes)


def waiting(model: BaseModel, revision: str | None = None, **changes: object) -> Job:
    return make_job(base_model=model, spec=make_spec(**{"model.revision": revision}), **changes)


def test_the_model_of_a_waiting_job_is_fetched_for_its_owner() -> None:
    job = waiting(hub_model(), "v2", owner=make_user("owner"))
    see_to_models()
    see_to_models()
    download = Download.objects.get()
    assert (download.model, download.revision, download.asked_by) == (job.base_model, "v2", job.owner)


@pytest.mark.parametrize("state", [State.CHECKING, State.PAUSED, State.SUCCEEDED, State.REFUSED])
def test_jobs_that_do_not_wait_fetch_nothing(state: str) -> None:
    waiting(hub_model(), state=state)
    see_to_models()
    assert not Download.objects.exists()


def test_models_of_this_machine_are_not_fetched() -> None:
    waiting(make_model())
    see_to_models()
    assert not Download.objects.exists()


@pytest.mark.parametrize(("age", "downloads"), [(-1, 1), (1, 2)])
def test_one_that_failed_since_the_job_came_is_not_begun_again(age: int, downloads: int) -> None:
    job = waiting(hub_model())
    failed = Download.objects.create(model=job.base_model, state="failed")
    Download.objects.filter(pk=failed.pk).update(created_at=job.created_at - timedelta(hours=age))
    see_to_models()
    assert Download.objects.count() == downloads


def test_what_cannot_be_fetched_is_left_to_its_job() -> None:
    waiting(hub_model(gated=True))
    see_to_models()
    assert not Download.objects.exists()


def test_only_the_head_of_the_queue_counts() -> None:
    for number in range(MOST + 3):
        waiting(hub_model(f"some/model-{number}"))
    see_to_models()
    assert Download.objects.count() == MOST


def test_idle_downloads_are_seen_to_in_the_same_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    monkeypatch.setattr(fetching, "tick", download_ticks.tick)
    monkeypatch.setattr(download_ticks, "_start", lambda download: started.append(download.pk))
    download = Download.objects.create(model=hub_model(), state="waiting", not_before=timezone.now())
    see_to_models()
    assert started == [download.pk]


def test_jobs_whose_model_is_on_its_way_let_others_pass() -> None:
    coming, here = hub_model(), make_model()
    jobs = [waiting(coming), waiting(here), waiting(coming, "v2"), waiting(coming)]
    assert models_first(jobs) == jobs
    download = Download.objects.create(model=coming, state="running")
    assert models_first(jobs) == [jobs[1], jobs[2], jobs[0], jobs[3]]
    Download.objects.filter(pk=download.pk).update(state="failed")
    assert models_first(jobs) == jobs
    assert models_first([]) == []
