"""Each attempt of a job is visible: where, from which step to which, why it ended, with its own log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from jobs.models import Attempt, Job
from jobs.waiting import mark
from tests.make import make_client, make_job, make_user

from .conftest import browse
from .test_job import STEP, write

CRASH = {"code": "run.killed", "severity": "error", "field": None, "message": "The machine ran out of memory."}


def attempt(job: Job, number: int, **values: Any) -> Attempt:
    given = {"machine": "gpu7", "slots": [0, 1], "started_at": timezone.now() - timedelta(minutes=2), **values}
    return Attempt.objects.create(job=job, number=number, **given)


@pytest.fixture
def job(owner: User) -> Job:
    """Crashed at step 118, and resumed at step 100."""
    soon = timezone.now() + timedelta(seconds=20)
    job = make_job(owner, state="running", attempt=2, step=130, total_steps=400, lease_until=soon)
    attempt(job, 1, outcome="crashed", ended_at=timezone.now(), first_step=0, last_step=118, error=CRASH, exit_code=-9)
    attempt(job, 2, first_step=100)
    for number, text in ((1, "first log\n"), (2, "second log\n")):
        Job.objects.filter(pk=job.pk).update(attempt=number)
        job.attempt = number
        write(job, "log.txt", text)
    return job


def test_the_page_shows_every_attempt_in_plain_words(person: Client, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.shown_state.gpu_count", lambda: 2)
    content = person.get(f"/jobs/{job.pk}/").content.decode()
    for text in (
        "Step 0 to 118",
        "gpu7, GPU 0 and 1",
        "The machine ran out of memory.",
        "Crashed",
        "Step 100 to 130",
    ):
        assert text in content, text
    assert "Attempt 2, resumed at step 100" in content


def test_each_attempt_has_its_own_log(person: Client, owner: User, job: Job) -> None:
    assert person.get(f"/jobs/{job.pk}/log?attempt=1").content == b"first log\n"
    assert person.get(f"/jobs/{job.pk}/log").content == b"second log\n"
    api = make_client(owner)
    assert api.get(f"/api/v1/jobs/{job.pk}/log/?attempt=1").json() == {"log": "first log\n"}
    assert api.get(f"/api/v1/jobs/{job.pk}/log/").json() == {"log": "second log\n"}


@pytest.mark.parametrize("given", ["0", "3", "-1", "x", "../1", "²", "9" * 30])
def test_an_attempt_that_never_was_is_not_found(person: Client, owner: User, job: Job, given: str) -> None:
    assert person.get(f"/jobs/{job.pk}/log", {"attempt": given}).status_code == 404
    for part in ("log", "events"):
        assert make_client(owner).get(f"/api/v1/jobs/{job.pk}/{part}/", {"attempt": given}).status_code == 404


def test_the_api_lists_attempts(owner: User, job: Job) -> None:
    first, second = make_client(owner).get(f"/api/v1/jobs/{job.pk}/attempts/").json()
    assert (first["outcome"], first["first_step"], first["last_step"]) == ("crashed", 0, 118)
    assert (first["why"], first["slots"], first["exit_code"]) == ("The machine ran out of memory.", [0, 1], -9)
    assert (second["outcome"], second["first_step"], second["last_step"], second["ended_at"]) == (
        "running",
        100,
        130,
        None,
    )


def test_an_attempt_that_ended_without_a_finding_says_what_is_known(person: Client, owner: User) -> None:
    job = make_job(owner, attempt=1)
    attempt(job, 1, outcome="given_back", ended_at=timezone.now())
    assert "went back to the queue with its checkpoints" in person.get(f"/jobs/{job.pk}/").content.decode()


def test_a_silent_attempt_is_not_said_to_go_on(person: Client, job: Job) -> None:
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    content = person.get(f"/jobs/{job.pk}/").content.decode()
    assert "Going on" not in content and "Not heard of since" in content


def test_the_curve_of_the_page_runs_over_all_attempts(person: Client, owner: User) -> None:
    job = make_job(owner, state="running", attempt=1, step=3, total_steps=9)
    write(job, "events.jsonl", events(1, 2, 3))
    Job.objects.update(attempt=2)
    job.attempt = 2
    attempt(job, 1, outcome="crashed", last_step=3)
    attempt(job, 2, first_step=1)
    write(job, "events.jsonl", events(2))
    news = person.get(f"/jobs/{job.pk}/events/").json()
    assert [point["step"] for point in news["curve"]] == [1, 2]
    assert news["resumed"] == [1] and news["reset"]
    again = person.get(f"/jobs/{job.pk}/events/?attempt=2&after={news['after']}").json()
    assert "curve" not in again and again["events"] == []


def events(*steps: int) -> str:
    return "".join(f"{STEP | {'step': step}}\n".replace("'", '"') for step in steps)


def test_the_page_is_drawn_anew_when_it_would_say_something_else(owner: User, person: Client) -> None:
    job = make_job(owner, state="running", lease_until=timezone.now() + timedelta(seconds=20))
    shown = person.get(f"/jobs/{job.pk}/events/").json()["shown"]
    assert shown == mark(job, None)
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert person.get(f"/jobs/{job.pk}/events/").json()["shown"] != shown


def test_strangers_see_no_attempt(job: Job) -> None:
    stranger = make_user("stranger")
    assert browse(stranger).get(f"/jobs/{job.pk}/log?attempt=1").status_code == 404
    assert make_client(stranger).get(f"/api/v1/jobs/{job.pk}/attempts/").status_code == 404
