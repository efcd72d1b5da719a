"""Datasets that nobody uses go, where the admin wants that; all others stay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from datasets_app.models import Dataset
from datasets_app.retention import delete_unused, kept_until
from jobs.models import Job, State
from tests.make import make_dataset, make_job, make_model, make_spec

pytestmark = pytest.mark.django_db


@pytest.fixture
def days(settings: Any) -> int:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"dataset_days": 30})
    return 30


@pytest.fixture
def old() -> Dataset:
    dataset = make_dataset()
    _age(dataset, 31)
    return dataset


def _age(row: Dataset | Job, days: float) -> None:
    type(row).objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(days=days))
    row.refresh_from_db()


def used(dataset: Dataset, days: float, **changes: Any) -> None:
    job = make_job(dataset.owner, dataset=dataset, state=State.SUCCEEDED, **changes)
    _age(job, days)


def left() -> bool:
    delete_unused()
    return Dataset.objects.exists()


def test_one_that_no_job_has_used_goes(days: int, old: Dataset, django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        assert not left()
    assert not old.path.exists()


def test_without_the_setting_all_stay(old: Dataset) -> None:
    assert left()
    assert kept_until(old) is None


def test_a_young_one_stays(days: int) -> None:
    dataset = make_dataset()
    _age(dataset, 29)
    assert left()


def test_a_job_keeps_its_dataset_for_as_long_again(days: int, old: Dataset) -> None:
    used(old, days=2)
    assert left()
    until = kept_until(old)
    assert until is not None and (until - timezone.now()).days == 27
    Job.objects.all().delete()
    used(old, days=30.5)
    assert not left()


def test_evaluating_counts_as_use(days: int, old: Dataset) -> None:
    make_model()
    other = make_dataset(old.owner, name="other")
    used(other, days=1, spec=make_spec(**{"data.dataset": str(other.pk), "data.eval_dataset": str(old.pk)}))
    delete_unused()
    assert Dataset.objects.filter(pk=old.pk).exists()


def test_one_that_a_job_waits_for_stays(days: int, old: Dataset) -> None:
    job = make_job(old.owner, dataset=old, state=State.RUNNING)
    _age(job, 40)
    assert left()


def test_its_page_says_how_long_it_stays(days: int, old: Dataset, client: Client) -> None:
    used(old, days=2)
    client.force_login(old.owner)
    assert "Kept until" in client.get(old.get_absolute_url()).content.decode()
