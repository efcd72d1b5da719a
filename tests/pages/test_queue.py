"""The page of the queue and its API: one's own place, and nobody else's names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from jobs import queueing, waiting
from jobs.models import Attempt, Job, Node, Place
from jobs.rulebook.estimate import Estimate
from models_catalog.models import Download
from tests.make import make_client, make_job, make_model, make_user

from .conftest import browse


@pytest.fixture(autouse=True)
def node(db: None) -> Node:
    """A machine that takes jobs."""
    return Node.objects.create(name=settings.MACHINE_NAME, seen_at=timezone.now())


@pytest.fixture(autouse=True)
def _nobody_knows_how_long_jobs_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queueing, "estimate", lambda facts: Estimate(seconds=facts.get("takes")))


def training(owner: User, **changes: Any) -> Job:
    soon = timezone.now() + timedelta(seconds=20)
    job = make_job(owner, **{"state": "running", "machine": settings.MACHINE_NAME, "lease_until": soon, **changes})
    Place.objects.create(machine=settings.MACHINE_NAME, slot=0, job=job)
    return job


def waits(job: Job) -> waiting.Wait:
    wait = waiting.Outlook().of(job)
    assert wait is not None
    return wait


def have_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    listed = [{"index": index, "name": "A card", "memory": 24 * 10**9, "free": 24 * 10**9} for index in range(count)]
    for module in (queueing, waiting):
        monkeypatch.setattr(module, "cards", lambda: listed)
        monkeypatch.setattr(module, "place_count", lambda: count)


def test_one_sees_ones_own_jobs_by_name_with_their_place(person: Client, owner: User) -> None:
    make_job(make_user("colleague"), name="her secret")
    make_job(owner, name="pirate bot")
    content = person.get("/queue/").content.decode()
    assert "pirate bot" in content and "1 job is before it." in content
    assert "a job of somebody else" in content


@pytest.mark.parametrize("state", ["queued", "running"])
def test_nothing_about_other_peoples_jobs_is_told(owner: User, state: str) -> None:
    job = training(owner) if state == "running" else make_job(owner)
    error = {"message": "secret error", "code": "x", "severity": "error", "field": None}
    Attempt.objects.create(job=job, number=1, machine="testmachine", error=error)
    Job.objects.update(
        name="secret name", spec={"model": {"name": "secret/model"}}, not_before=timezone.now() + timedelta(hours=1)
    )
    stranger = make_user("stranger")
    for where in ("/queue/", "/api/v1/queue/"):
        content = browse(stranger).get(where).content.decode()
        assert "secret" not in content and "owner&" not in content and '"owner"' not in content


def test_staff_see_all(owner: User) -> None:
    make_job(owner, name="pirate bot")
    content = browse(make_user("admin", is_staff=True)).get("/queue/").content.decode()
    assert "pirate bot" in content and "of owner" in content


def test_the_api_tells_place_and_expected_start(owner: User) -> None:
    training(make_user("colleague"), progress={"eta_seconds": 600})
    mine = make_job(owner, name="pirate bot")
    answer = make_client(owner).get("/api/v1/queue/").json()
    assert answer["running"][0]["job"] is None and answer["running"][0]["seconds_left"] == 600
    (line,) = answer["waiting"]
    assert (line["place"], line["job"]["id"], line["job"]["name"]) == (1, mine.pk, "pirate bot")
    assert line["expected_start"] and line["why"] == "It is next, and waits for a running job to end."
    assert (answer["waiting_count"], answer["free_places"], answer["closed"]) == (1, 0, "")


def test_a_start_that_nobody_can_foresee_is_unknown(person: Client, owner: User) -> None:
    training(make_user("colleague"))
    job = make_job(owner)
    assert (waits(job).starts, waits(job).starts_in_words) == (None, "unknown")
    assert make_client(owner).get("/api/v1/queue/").json()["waiting"][0]["expected_start"] is None


def test_own_jobs_are_listed_however_far_behind(owner: User) -> None:
    for number in range(4):
        make_job(make_user(f"other{number}"), priority=1)
    make_job(owner, name="far behind")
    answer = make_client(owner).get("/api/v1/queue/?limit=2").json()
    assert [line["place"] for line in answer["waiting"]] == [1, 2, 5]
    assert answer["waiting_count"] == 5


def test_when_no_machine_is_there_the_page_says_so_and_foretells_nothing(person: Client, owner: User) -> None:
    Node.objects.all().delete()
    job = make_job(owner)
    assert b"No machine takes jobs at present" in person.get("/queue/").content
    assert waits(job).starts is None and waits(job).why.startswith("No machine takes jobs")


def test_a_full_disk_is_why_jobs_wait(owner: User, node: Node) -> None:
    Node.objects.update(facts={"closed": "The disk of the runs has 1 MB left."})
    assert waits(make_job(owner)).why == "The disk of the runs has 1 MB left."


def test_a_job_that_waits_after_a_fault_says_until_when_and_why(owner: User) -> None:
    job = make_job(owner, not_before=timezone.now() + timedelta(minutes=5))
    error = {"message": "The hub did not answer.", "code": "x", "severity": "error", "field": None}
    Attempt.objects.create(job=job, number=1, machine="testmachine", error=error)
    clock = waiting.clock(job.not_before)
    assert waits(job).why == f"It waits until {clock} before it is tried again after this: The hub did not answer."


def test_a_job_for_several_gpus_says_what_it_waits_for(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    have_gpus(monkeypatch, 2)
    training(make_user("colleague"))
    pair, eight = make_job(owner, processes=2), make_job(owner, processes=8)
    assert waits(pair).why == "It needs 2 GPUs at the same time; 1 free now is kept for it."
    assert waits(eight).why == "It needs 8 GPUs, and this machine has 2 GPUs."


def test_a_job_beyond_its_owners_gpus_says_so(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    have_gpus(monkeypatch, 2)
    limited = settings.ENVIRONMENT.model_copy(update={"max_gpus_per_user": 1})
    monkeypatch.setattr(settings, "ENVIRONMENT", limited)
    training(owner)
    assert waits(make_job(owner)).why == (
        "One person may hold 1 GPU at once, and 1 is held already: another job must end."
    )


def test_a_job_whose_model_is_on_its_way_says_how_far_it_is(owner: User) -> None:
    model = make_model()
    job = make_job(owner, base_model=model)
    download = Download.objects.create(
        model=model, state="running", bytes_done=4 * 10**9, bytes_total=13 * 10**9, bytes_per_second=10**7
    )
    assert waits(job).why.startswith("Its model is being downloaded, 4.0 GB of 13.0 GB so far.")
    starts = waits(job).starts
    assert starts and 890 < (starts - timezone.now()).total_seconds() <= 900
    Download.objects.filter(pk=download.pk).update(state="waiting", not_before=timezone.now() + timedelta(minutes=5))
    assert "waits until" in waits(job).why and waits(job).starts is None


def test_a_free_machine_takes_the_next_job_in_a_moment(owner: User) -> None:
    wait = waits(make_job(owner))
    assert (wait.why, wait.starts_in_words) == ("It is next, and starts in a moment.", "in a moment")


def test_a_training_that_is_not_heard_of_is_not_said_to_run(person: Client, owner: User) -> None:
    job = training(owner, lease_until=timezone.now() - timedelta(seconds=1))
    for where in ("/queue/", f"/jobs/{job.pk}/", "/jobs/", "/"):
        content = person.get(where).content.decode()
        assert "Not heard of" in content and "is-live" not in content, where


def test_paused_jobs_are_beside_the_queue(person: Client, owner: User) -> None:
    make_job(owner, name="resting", state="paused")
    make_job(make_user("colleague"), name="hers", state="paused")
    content = person.get("/queue/").content.decode()
    assert "resting" in content and "keeps its place" in content and "hers" not in content


def test_one_button_cancels_what_one_has_waiting(person: Client, owner: User) -> None:
    mine, hers = make_job(owner), make_job(make_user("colleague"))
    assert b"1 waiting job cancelled." in person.post("/queue/cancel", follow=True).content
    mine.refresh_from_db(), hers.refresh_from_db()
    assert (mine.state, hers.state) == ("cancelled", "queued")
    assert b"nothing was cancelled" in person.post("/queue/cancel", follow=True).content


def test_the_api_cancels_what_one_has_waiting(owner: User) -> None:
    job = make_job(owner)
    assert make_client(owner).post("/api/v1/queue/cancel/").json() == {"cancelled": [job.pk]}


def test_a_page_of_many_waiting_jobs_takes_few_queries(
    person: Client, owner: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(60):
        make_job(make_user(f"other{number % 7}"))
    make_job(owner)
    with django_assert_max_num_queries(25):
        content = person.get("/queue/").content.decode()
    assert "11 more jobs of other people wait" in content
