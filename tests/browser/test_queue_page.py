"""The queue in a browser, and a job that is paused, resumed and trained on from its page."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect

from jobs.models import Attempt, Job, Node, Place, State
from jobs.rulebook import read
from jobs.services import move, submit
from tests.make import make_dataset, make_job, make_model, make_spec, make_user

from .conftest import PHONE, OpenPage
from .pages import sideways, violations
from .test_job_page import step, tell

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def soon() -> Any:
    return timezone.now() + timedelta(minutes=10)


def training(owner: User, **changes: Any) -> Job:
    here = {"machine": settings.MACHINE_NAME, "lease_until": soon(), "started_at": timezone.now()}
    job = make_job(owner, **{"state": "running", "progress": {"eta_seconds": 600}, **here, **changes})
    Place.objects.create(machine=settings.MACHINE_NAME, slot=0, job=job)
    return job


@pytest.fixture
def node(live_server: Any) -> Node:
    return Node.objects.create(name=settings.MACHINE_NAME, seen_at=soon())


@pytest.fixture
def queue(node: Node, owner: User) -> Job:
    """A colleague trains, another one waits, and so does the owner."""
    training(make_user("colleague"), name="her secret")
    make_job(make_user("third"), name="his secret", priority=1)
    return make_job(owner, name="pirate bot")


def begin(job: Job, attempt: int) -> None:
    """The job is claimed and trains, as another process would have it."""
    move(job, State.PREPARING, attempt=attempt, machine=settings.MACHINE_NAME, lease_until=soon())
    Attempt.objects.create(job=job, number=attempt, machine=settings.MACHINE_NAME)
    move(job, State.RUNNING)


def test_the_queue_renews_itself(browse: OpenPage, owner: User, queue: Job) -> None:
    page = browse(owner, "/")
    page.get_by_role("link", name="Queue").click()
    line = page.get_by_role("row", name=re.compile("pirate bot"))
    expect(line).to_contain_text("1 job is before it.")
    expect(page.get_by_role("row", name=re.compile("a job of somebody else"))).to_have_count(2)
    Job.objects.filter(name="his secret").update(state="cancelled", finished_at=timezone.now())
    expect(line).to_contain_text("It is next, and waits for a running job to end.")
    expect(page.get_by_text("secret")).to_have_count(0)


def test_what_one_has_waiting_is_cancelled_after_a_question(browse: OpenPage, owner: User, queue: Job) -> None:
    page = browse(owner, "/queue/")
    page.get_by_role("button", name="Cancel what I have waiting").click()
    page.get_by_role("button", name="Keep them").click()
    page.get_by_role("button", name="Cancel what I have waiting").click()
    page.get_by_role("button", name="Cancel my waiting jobs").click()
    expect(page.get_by_text("1 waiting job cancelled.")).to_be_visible()
    assert Job.objects.get(name="his secret").state == "queued"


def test_without_scripts_the_queue_reads_and_works_the_same(browse: OpenPage, owner: User, queue: Job) -> None:
    page = browse(owner, "/queue/", scripts=False)
    expect(page.get_by_role("row", name=re.compile("pirate bot"))).to_contain_text("1 job is before it.")
    page.get_by_role("button", name="Cancel my waiting jobs").click()
    expect(page.get_by_text("1 waiting job cancelled.")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_queue_is_accessible_and_fits_a_phone(browse: OpenPage, owner: User, queue: Job, theme: str) -> None:
    make_job(owner, name="resting", state="paused")
    training_job = Job.objects.get(name="her secret")
    Job.objects.filter(pk=training_job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert violations(browse(owner, "/queue/", theme=theme)) == []
    assert sideways(browse(owner, "/queue/", theme=theme, viewport=PHONE)) <= 0


def test_a_job_is_paused_resumed_and_finished_before_ones_eyes(browse: OpenPage, owner: User, node: Node) -> None:
    job = make_job(owner, name="pirate bot")
    begin(job, attempt=1)
    tell(job, step(1, 3.0), step(2, 2.5), step(3, 2.0))
    Job.objects.update(step=3, total_steps=10)
    page = browse(owner, f"/jobs/{job.pk}/")
    expect(page.locator("#progress-step")).to_have_text("Step 3 of 10")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("is being paused").first).to_be_visible()
    expect(page.locator("#job-state")).to_have_text("Pausing")
    move(job, State.PAUSED, reason="Paused at step 3.", ended={"last_step": 3})
    expect(page.locator("#job-progress")).to_contain_text("Paused at step 3 of 10")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#job-progress")).to_contain_text("Next in the queue")
    job.refresh_from_db()
    begin(job, attempt=2)
    Attempt.objects.filter(number=2).update(first_step=2)
    tell(job, step(3, 2.0), step(4, 1.5))
    chart = page.locator("loss-chart")
    expect(chart).to_have_attribute("aria-label", re.compile("over 4 points: 3.000 at step 1.*Resumed at step 2"))
    expect(page.locator("#job-progress")).to_contain_text("Attempt 2, resumed at step 2")
    expect(page.locator(".chart-resumed")).to_have_count(1)
    move(job, State.SUCCEEDED, ended={"last_step": 4})
    expect(page.locator("#job-state")).to_have_text("Succeeded")
    expect(page.locator("#job-attempts")).to_contain_text("Step 2 to 4")


def test_a_job_that_is_no_longer_heard_of_says_so_by_itself(browse: OpenPage, owner: User, node: Node) -> None:
    job = training(owner, name="pirate bot", attempt=1, step=3, total_steps=10)
    page = browse(owner, f"/jobs/{job.pk}/")
    expect(page.locator("#job-state")).to_have_text("Training")
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    expect(page.locator("#job-state")).to_have_text("Not heard of")
    expect(page.locator("#job-progress")).to_contain_text("last at step 3 of 10")
    Job.objects.update(lease_until=soon())
    expect(page.locator("#job-state")).to_have_text("Training")


def test_a_finished_job_is_trained_on_after_its_warnings_were_read(browse: OpenPage, owner: User, node: Node) -> None:
    make_model()
    choices = read(make_spec(**{"data.dataset": str(make_dataset(owner).pk)}))
    job = submit(choices=choices, user=owner, confirmed=True)
    artifact = {"name": "adapter.safetensors", "size": 7, "sha256": "00"}
    Job.objects.update(state="succeeded", attempt=1, result={"artifacts": [artifact]})
    job.refresh_from_db()
    (job.run_dir / "output").mkdir(parents=True)
    page = browse(owner, f"/jobs/{job.pk}/")
    page.get_by_role("button", name="Train on").first.click()
    page.get_by_label("Further epochs").first.fill("0.5")
    page.locator("#continue-dialog").get_by_role("button", name="Train on").click()
    page.get_by_role("button", name="I have read this: train on").click()
    expect(page.get_by_role("link", name=f"job {job.pk}")).to_be_visible()
    further = Job.objects.get(continued_from=job)
    assert further.spec["training"]["num_epochs"] == 0.5
    page.watched.forget("422")  # type: ignore[attr-defined]
