"""Pausing, resuming, cancelling, priority, training on: by button and by API, with clear refusals."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs.models import Job
from tests.make import make_client, make_job, make_user

from .conftest import browse

VERBS = ("cancel", "pause", "resume", "priority", "continue")
GOOD: dict[str, Any] = {"priority": -1, "epochs": 1}


def press(person: Client, job: Job, verb: str, **values: Any) -> str:
    """Press a button, and read the page that follows."""
    answer = person.post(f"/jobs/{job.pk}/{verb}", values, follow=True)
    assert answer.status_code == 200
    job.refresh_from_db()
    return answer.content.decode()


def call(user: User, job: Job, verb: str, **values: Any) -> Any:
    answer = make_client(user).post(f"/api/v1/jobs/{job.pk}/{verb}/", values, format="json")
    job.refresh_from_db()
    return answer


def finished(good: dict[str, str], person: Client) -> Job:
    """A job that has trained a good form's settings and left weights."""
    person.post("/jobs/new", good)
    job = Job.objects.get()
    artifact = {"name": "adapter.safetensors", "size": 7, "sha256": "00"}
    Job.objects.update(state="succeeded", attempt=1, result={"artifacts": [artifact]})
    job.refresh_from_db()
    (job.run_dir / "output").mkdir(parents=True, exist_ok=True)
    (job.run_dir / "output" / "adapter.safetensors").write_text("weights")
    return job


def test_a_waiting_job_is_paused_and_resumed_by_buttons(person: Client, owner: User) -> None:
    job = make_job(owner)
    content = press(person, job, "pause")
    assert job.state == "paused"
    assert "keeps its place" in content and "Paused before it started" in content and "Resume</button>" in content
    content = press(person, job, "resume")
    assert job.state == "queued"
    assert "waits in the queue again" in content and "Pause</button>" in content


def test_a_running_job_is_asked_to_pause_and_says_so(person: Client, owner: User) -> None:
    job = make_job(owner, state="running", step=3, total_steps=9)
    content = press(person, job, "pause")
    assert job.pause_requested and "it saves a checkpoint first" in content and "Pausing</span>" in content
    assert "no longer asked to pause" in press(person, job, "resume")
    assert not job.pause_requested


def test_a_paused_job_says_at_which_step(person: Client, owner: User) -> None:
    job = make_job(owner, state="paused", step=120, total_steps=400, attempt=1)
    content = person.get(f"/jobs/{job.pk}/").content.decode()
    assert "Paused at step 120 of 400" in content and "goes on from its last checkpoint" in content
    assert "Paused at step 120" in person.get("/").content.decode()


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume"])
def test_what_has_ended_cannot_be_steered_and_says_so(person: Client, owner: User, verb: str) -> None:
    job = make_job(owner, state="succeeded")
    assert "already ended" in press(person, job, verb)
    answer = call(owner, job, verb)
    assert (answer.status_code, answer.json()["findings"][0]["code"]) == (409, "job.has-ended")


def test_resuming_what_is_not_paused_is_refused_with_the_reason(person: Client, owner: User) -> None:
    job = make_job(owner)
    assert "not paused" in press(person, job, "resume")
    answer = call(owner, job, "resume")
    assert (answer.status_code, answer.json()["findings"][0]["code"]) == (409, "job.not-now")


def test_the_api_pauses_and_resumes(owner: User) -> None:
    job = make_job(owner)
    assert call(owner, job, "pause").json()["state"] == "paused"
    answer = call(owner, job, "resume").json()
    assert (answer["state"], answer["queue"]["place"]) == ("queued", 1)


def test_an_owner_puts_a_job_last(person: Client, owner: User) -> None:
    job = make_job(owner)
    content = person.get(f"/jobs/{job.pk}/").content.decode()
    assert "after others" in content and "before others" not in content
    assert "is -10 now" in press(person, job, "priority", priority="-10")
    assert job.priority == -10


def test_only_staff_put_a_job_first(person: Client, owner: User) -> None:
    job, admin = make_job(owner), make_user("admin", is_staff=True)
    assert "Only administrators" in press(person, job, "priority", priority="1")
    answer = call(owner, job, "priority", priority=1)
    assert (answer.status_code, answer.json()["findings"][0]["field"]) == (403, "priority")
    assert call(admin, job, "priority", priority=1).json()["priority"] == 1
    assert "before others" in browse(admin).get(f"/jobs/{job.pk}/").content.decode()


@pytest.mark.parametrize("given", ["", "x", "11", "-11", "1.5", "9" * 5000, None, True, [1], {"a": 1}])
def test_a_priority_that_is_none_is_refused(person: Client, owner: User, given: Any) -> None:
    job = make_job(owner)
    assert call(owner, job, "priority", priority=given).status_code == 400
    if isinstance(given, str):
        assert "whole number from -10 to 10" in press(person, job, "priority", priority=given)
    assert job.priority == 0


def test_a_finished_job_is_trained_on(person: Client, good: dict[str, str]) -> None:
    job = finished(good, person)
    assert "Train on</button>" in person.get(f"/jobs/{job.pk}/").content.decode()
    answer = person.post(f"/jobs/{job.pk}/continue", {"epochs": "2"})
    further = Job.objects.get(continued_from=job)
    assert answer.headers["Location"] == further.get_absolute_url()
    assert further.spec["training"]["num_epochs"] == 2
    assert f'goes on from <a href="/jobs/{job.pk}/">' in person.get(further.get_absolute_url()).content.decode()


def test_new_warnings_are_to_be_read_before_a_job_is_trained_on(person: Client, good: dict[str, str]) -> None:
    job = finished(good, person)
    asked = person.post(f"/jobs/{job.pk}/continue", {"epochs": "0.5"})
    assert (asked.status_code, Job.objects.count()) == (422, 1)
    assert "finding-warning" in asked.content.decode() and "I have read this" in asked.content.decode()
    assert person.post(f"/jobs/{job.pk}/continue", {"epochs": "0.5", "confirmed": "1"}).status_code == 302
    assert Job.objects.get(continued_from=job).confirmed_by == job.owner


def test_the_form_of_a_new_job_offers_ones_own_finished_jobs_to_begin_with(person: Client, owner: User) -> None:
    job = make_job(owner, state="succeeded", name="pirate bot", result={"artifacts": [{"name": "a", "size": 1}]})
    make_job(make_user("colleague"), state="succeeded", name="her secret")
    where = f"/jobs/new?from={job.pk}&training.start_from={job.pk}"
    assert where.replace("&", "&amp;") in person.get(f"/jobs/{job.pk}/").content.decode()
    content = person.get(where).content.decode()
    assert f'<option value="{job.pk}" selected>Job {job.pk} · pirate bot</option>' in content
    assert "her secret" not in content


def test_errors_stop_a_job_from_being_trained_on(person: Client, owner: User, good: dict[str, str]) -> None:
    job = finished(good, person)
    Job.objects.update(dataset=None)
    job.dataset.delete()
    asked = person.post(f"/jobs/{job.pk}/continue", {"epochs": "2", "confirmed": "1"})
    assert asked.status_code == 422 and "cannot go on" in asked.content.decode()
    assert "I have read this" not in asked.content.decode()
    assert call(owner, job, "continue", epochs=2).status_code == 400


def test_the_api_trains_on(person: Client, owner: User, good: dict[str, str]) -> None:
    job = finished(good, person)
    assert call(owner, job, "continue", epochs=0.5, on_warning="refuse").status_code == 400
    answer = call(owner, job, "continue", epochs=2)
    assert answer.status_code == 201, answer.json()
    assert (answer.json()["continued_from"], answer.json()["spec"]["training"]["num_epochs"]) == (job.pk, 2)


def test_a_job_that_left_nothing_cannot_be_trained_on(person: Client, owner: User) -> None:
    job = make_job(owner, state="failed")
    assert "Train on</button>" not in person.get(f"/jobs/{job.pk}/").content.decode()
    assert "left no weights" in press(person, job, "continue", epochs="1")
    assert call(owner, job, "continue", epochs=1).status_code == 409


@pytest.mark.parametrize("given", ["", "x", "0", "-1", "nan", "inf", None, True, [1]])
def test_epochs_that_are_none_are_refused(person: Client, owner: User, given: Any) -> None:
    job = make_job(owner, state="succeeded")
    answer = call(owner, job, "continue", epochs=given)
    assert (answer.status_code, answer.json()["findings"][0]["field"]) == (400, "epochs")
    if isinstance(given, str):
        assert "number above 0" in press(person, job, "continue", epochs=given)
    assert not Job.objects.filter(continued_from=job).exists()


@pytest.mark.parametrize("verb", VERBS)
def test_looking_changes_nothing(person: Client, owner: User, verb: str) -> None:
    job = make_job(owner)
    assert person.get(f"/jobs/{job.pk}/{verb}").status_code == 405
    assert make_client(owner).get(f"/api/v1/jobs/{job.pk}/{verb}/").status_code == 405


@pytest.mark.parametrize("verb", VERBS)
def test_a_stranger_finds_no_job_to_steer(owner: User, verb: str) -> None:
    job, stranger = make_job(owner), make_user("stranger")
    assert browse(stranger).post(f"/jobs/{job.pk}/{verb}", GOOD).status_code == 404
    assert call(stranger, job, verb, **GOOD).status_code == 404
    assert (job.state, job.priority) == ("queued", 0)
