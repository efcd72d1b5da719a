"""The page of one job while it trains, and after."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from jobs.models import Job, State
from jobs.services import move
from tests.make import make_job

from .conftest import OpenPage

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def step(number: int, loss: float = 2.0) -> dict[str, Any]:
    return {"event": "step", "at": "2026-01-02T03:04:05Z", "step": number, "total_steps": 10, "loss": loss}


def tell(job: Job, *events: dict[str, Any]) -> None:
    """Let the trainer say something more."""
    path = job.run_dir / "events.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)


def write_log(job: Job, text: str) -> Path:
    path = job.run_dir / "log.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def points(page: Page) -> int:
    return int(page.evaluate("() => document.querySelector('loss-chart').points"))


@pytest.fixture
def job(owner: User) -> Job:
    return make_job(owner, name="pirate bot", state="running", attempt=1, step=2, total_steps=10)


def test_the_curve_grows_while_the_job_trains(browse: OpenPage, owner: User, job: Job) -> None:
    tell(job, step(1, 3.0), step(2, 2.5))
    page = browse(owner, f"/jobs/{job.pk}/")
    chart = page.locator("loss-chart")
    expect(chart).to_have_attribute("aria-label", re.compile("2 points: 3.000 at step 1, smoothed 2.950 at step 2"))
    tell(job, step(3), {"event": "eval", "step": 3, "eval_loss": 2.25})
    Job.objects.update(step=3)
    expect(page.locator("#progress-step")).to_have_text("Step 3 of 10")
    expect(chart).to_have_attribute("aria-label", re.compile("over 3 points.*evaluation loss 2.250"))


def test_single_values_are_read_by_keyboard(browse: OpenPage, owner: User, job: Job) -> None:
    tell(job, step(1, 3.0), step(2, 2.5))
    page = browse(owner, f"/jobs/{job.pk}/")
    expect(page.locator(".chart-smooth")).to_have_count(1)
    page.locator("loss-chart").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".chart-reading")).to_contain_text("step 1 · loss 3.0000")
    page.keyboard.press("Escape")
    expect(page.locator(".chart-reading")).to_be_empty()


def test_what_the_log_says_is_text_and_nothing_else(browse: OpenPage, owner: User, job: Job) -> None:
    write_log(job, "loading\n<script>alert(1)</script>\n")
    page = browse(owner, f"/jobs/{job.pk}/")
    expect(page.locator("#log")).to_contain_text("<script>alert(1)</script>")
    write_log(job, "loading\nstep 1\n")
    expect(page.locator("#log")).to_contain_text("step 1")


def test_a_server_that_is_away_is_said_and_nothing_is_lost_or_doubled(browse: OpenPage, owner: User, job: Job) -> None:
    tell(job, step(1), step(2))
    page = browse(owner, f"/jobs/{job.pk}/")
    expect(page.locator("#connection")).to_have_text("live")
    page.route("**/events/**", lambda route: route.abort())
    expect(page.locator("#connection")).to_have_text("reconnecting…")
    tell(job, step(3), step(4))
    page.unroute("**/events/**")
    expect(page.locator("#connection")).to_have_text("live")
    assert points(page) == 4
    page.watched.forget("ERR_FAILED")  # type: ignore[attr-defined]


def test_the_page_turns_itself_when_the_job_ends(browse: OpenPage, owner: User, job: Job) -> None:
    tell(job, step(1))
    page = browse(owner, f"/jobs/{job.pk}/")
    expect(page.locator("#connection")).to_have_text("live")
    result = {"artifacts": [{"name": "adapter_model.safetensors", "size": 10, "sha256": "ab"}]}
    move(job, State.SUCCEEDED, reason="All steps done.", result=result)
    expect(page.get_by_role("link", name="adapter_model.safetensors")).to_be_visible()
    expect(page.locator("#job-state")).to_have_text("Succeeded")
    expect(page.locator("#job-timeline")).to_contain_text("All steps done.")
    expect(page.get_by_role("button", name="Run again")).to_be_visible()
    assert points(page) == 1


def test_a_run_that_starts_again_draws_its_curve_anew_and_says_why(browse: OpenPage, owner: User, job: Job) -> None:
    told = "The memory did not suffice for batches of 4 rows."
    tell(job, step(1), step(2))
    page = browse(owner, f"/jobs/{job.pk}/")
    expect(page.locator("loss-chart")).to_have_attribute("aria-label", re.compile("over 2 points"))
    move(job, State.RUNNING, reason=told)
    tell(job, {"event": "findings", "findings": [{"code": "trainer.smaller-batch", "message": told}]}, step(1, 4.0))
    expect(page.locator("loss-chart")).to_have_attribute("aria-label", re.compile("over 1 points: 4.000 at step 1"))
    expect(page.locator("#job-progress .finding-warning")).to_have_text(told)


def test_a_job_that_has_not_begun_shows_no_empty_curve(browse: OpenPage, owner: User) -> None:
    job = make_job(owner)
    page = browse(owner, f"/jobs/{job.pk}/")
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("loss-chart")).to_be_hidden()
    move(job, State.RUNNING, attempt=1)
    tell(job, step(1))
    expect(page.locator("loss-chart")).to_be_visible()
    expect(page.locator("#job-state")).to_have_text("Training")


def test_cancelling_asks_first(browse: OpenPage, owner: User) -> None:
    job = make_job(owner)
    page = browse(owner, f"/jobs/{job.pk}/")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Keep it").click()
    job.refresh_from_db()
    assert job.state == "queued"
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_text("The job is cancelled.")).to_be_visible()
    job.refresh_from_db()
    assert job.state == "cancelled"


def test_history_is_searched_without_leaving_the_page(browse: OpenPage, owner: User, job: Job) -> None:
    make_job(owner, name="poet")
    page = browse(owner, "/jobs/")
    page.get_by_label("Search").press_sequentially("pira")
    expect(page.get_by_role("link", name="poet")).to_be_hidden()
    expect(page.get_by_role("link", name="pirate bot")).to_be_visible()
    assert "search=pira" in page.url
    expect(page.get_by_label("Search")).to_be_focused()
