"""Two people, or one person twice, at the same moment; only a server database lets them in together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError

import pytest
from django.db import connection

from jobs import services
from jobs.models import Job
from jobs.rulebook import read
from tests.make import make_dataset, make_model, make_spec, make_user

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
TOGETHER = 1.0
"""Seconds that a review waits for another one beside it; behind a lock there never is one."""


@pytest.fixture
def reviews_meet(monkeypatch):
    meeting, review = Barrier(2), services.review

    def review_together(*args, **kwargs):
        asked = review(*args, **kwargs)
        with suppress(BrokenBarrierError):
            meeting.wait(TOGETHER)
        return asked

    monkeypatch.setattr(services, "review", review_together)


@pytest.fixture
def one_job_a_person(settings):
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"max_active_jobs": 1})


def submit_and_hang_up(user):
    choices = read(make_spec(**{"data.dataset": str(user.datasets.get().pk)}))
    try:
        return services.submit(choices=choices, user=user, confirmed=True)
    except services.Refused as refused:
        return refused.report.errors[0].code
    finally:
        connection.close()


def test_two_submits_of_one_person_are_counted_one_after_the_other(reviews_meet, one_job_a_person):
    user = make_user()
    make_model()
    make_dataset(user)
    with ThreadPoolExecutor(2) as people:
        answers = list(people.map(submit_and_hang_up, [user, user]))
    assert "account.too-many-jobs" in answers
    assert Job.objects.count() == 1
