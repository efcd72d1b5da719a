"""What somebody waits for is in nobody's way: rehearsals and looks have a queue of their own, and it is served."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import DjangoCaptureOnCommitCallbacks

from datasets_app import services as dataset_services
from finetune_site.portal.node_part import NodePart
from jobs import checking, services, trials
from jobs.models import Job, State
from models_catalog.looks import start_look
from models_catalog.models import BaseModel
from tests.make import make_dataset, make_family, make_job

pytestmark = pytest.mark.django_db


def hub_model() -> BaseModel:
    return BaseModel.objects.get_or_create(name="some/model", defaults={"family": make_family()})[0]


WAITED_FOR: dict[str, Callable[[], object]] = {
    "a job": lambda: services.enqueue_check(make_job(state=State.CHECKING).pk),
    "a trial": lambda: trials.enqueue(1),
    "a look": lambda: start_look(hub_model()),
}
LONG: dict[str, Callable[[], object]] = {
    "a dataset": lambda: dataset_services._enqueue(make_dataset().pk),
}


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ENVIRONMENT", settings.ENVIRONMENT.model_copy(update={"offline": False}))


def queue_of(start: Callable[[], object], commit: DjangoCaptureOnCommitCallbacks) -> str:
    with commit(execute=True):
        start()
    return str(OrmQ.objects.get().key)


@pytest.mark.parametrize("what", WAITED_FOR)
def test_what_somebody_waits_for_goes_past_what_takes_long(
    what: str, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    assert queue_of(WAITED_FOR[what], django_capture_on_commit_callbacks) == "checks"


@pytest.mark.parametrize("what", LONG)
def test_what_takes_long_goes_where_nobody_waits(
    what: str, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    assert queue_of(LONG[what], django_capture_on_commit_callbacks) == "portal"


def test_every_queue_is_served_and_watched() -> None:
    node = NodePart()
    with node.held():
        served = {bell.queue: node._cluster(bell.queue).environment["Q_CLUSTER_NAME"] for bell in node.bells}
    assert served.keys() == {settings.Q_CLUSTER["name"], *settings.Q_CLUSTER["ALT_CLUSTERS"]}
    assert all(queue == name for queue, name in served.items())


@pytest.mark.parametrize(("queue", "enqueued"), [("portal", 1), ("checks", 0)])
def test_a_lost_rehearsal_is_given_again_unless_its_own_queue_is_behind(
    queue: str, enqueued: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []
    monkeypatch.setattr(checking, "enqueue_check", found.append)
    OrmQ.objects.create(key=queue, payload="", lock=timezone.now() - timedelta(seconds=1))
    make_job(state=State.CHECKING)
    Job.objects.update(created_at=timezone.now() - timedelta(seconds=20))
    checking.revive()
    assert len(found) == enqueued
