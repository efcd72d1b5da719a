"""Rehearsals as a person meets them: asked for, waited for, passed, stopped, not possible; and started anyway."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect

from datasets_app.models import Dataset
from jobs.models import Job, Rehearsal, Trial
from jobs.services import move
from tests.make import make_dataset, make_job, make_model, make_spec
from tests.pages.rehearsed import NOT_POSSIBLE, WARNING, document, not_rehearsed, stopped

from .conftest import PHONE, OpenPage
from .pages import NewJob, sideways, violations

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.usefixtures("nothing_was_rehearsed"),
]


@pytest.fixture
def dataset(owner: User) -> Dataset:
    make_model()
    return make_dataset(owner)


@pytest.fixture
def form(browse: OpenPage, owner: User, dataset: Dataset) -> NewJob:
    return chosen(NewJob(browse(owner, "/jobs/new")), dataset)


def chosen(form: NewJob, dataset: Dataset) -> NewJob:
    form.choose("data.dataset", str(dataset.pk))
    form.choose("model.name", "house/tiny-chat")
    return form


def rehearse(form: NewJob) -> None:
    form.page.get_by_role("button", name="Rehearse now").click()
    expect(form.page.locator("#rehearsal")).to_contain_text("under way")


def answer(rehearsed: Any) -> None:
    """As the worker does that has done it."""
    Trial.objects.update(answer={"rehearsal": rehearsed})


def test_a_rehearsal_is_possible_once_nothing_is_missing(form: NewJob) -> None:
    button = form.page.get_by_role("button", name="Rehearse now")
    expect(button).to_be_enabled()
    form.type("training.batch_size", "0")
    expect(button).to_be_disabled()


def test_a_rehearsal_is_asked_for_waited_for_and_read(form: NewJob) -> None:
    card = form.page.locator("#rehearsal")
    rehearse(form)
    answer(document())
    expect(card).to_contain_text("Rehearsed: it works")
    card.get_by_text("Every LoRA target got a gradient.").click()
    expect(card.get_by_text("q_proj and v_proj")).to_be_visible()
    card.get_by_text("2 rows of your dataset").click()
    expect(card.get_by_role("cell", name="longest, most turns")).to_be_visible()


def test_a_change_while_it_is_under_way_makes_it_a_thing_of_the_past(form: NewJob) -> None:
    rehearse(form)
    form.type("lora.r", "4")
    expect(form.page.get_by_role("button", name="Rehearse now")).to_be_visible()
    expect(form.input("lora.r")).to_be_focused()


def test_what_stopped_it_is_said(form: NewJob) -> None:
    rehearse(form)
    answer(stopped())
    expect(form.page.locator("#rehearsal")).to_contain_text("Rehearsed: it would fail")
    expect(form.page.locator("#rehearsal")).to_contain_text("No gradient reached <b>w1</b>.")


def test_without_a_rehearsal_a_tick_starts_the_job(form: NewJob) -> None:
    rehearse(form)
    answer(not_rehearsed())
    expect(form.page.locator("#rehearsal")).to_contain_text("It has 7 B parameters in one layer.")
    form.check_and_start()
    form.dialog.get_by_label("Start it without a rehearsal").check()
    form.start()
    form.page.wait_for_url("**/jobs/*/")
    expect(form.page.locator("#job-state")).to_have_text("Checking")


def refused(owner: User, dataset: Dataset, rehearsed: Any, error: Any) -> Job:
    spec = make_spec(**{"data.dataset": str(dataset.pk)})
    rehearsal = Rehearsal.objects.create(document=rehearsed)
    given = {"given": ["model", "dataset", "strategy", "method"]}
    ended = {"state": "refused", "rehearsal": rehearsal, "error": error}
    return make_job(owner, spec=spec, facts=given, dataset=dataset, **ended)


@pytest.mark.parametrize(
    ("rehearsed", "error", "button"),
    [
        (not_rehearsed(), NOT_POSSIBLE, "Start without rehearsal"),
        (document(findings=[WARNING]), WARNING, "Start anyway"),
    ],
    ids=["not possible", "warning"],
)
def test_a_refused_job_is_started_anyway(
    browse: OpenPage, owner: User, dataset: Dataset, rehearsed: Any, error: Any, button: str
) -> None:
    job = refused(owner, dataset, rehearsed, error)
    page = browse(owner, job.get_absolute_url())
    expect(page.get_by_role("heading", name="Why it was refused")).to_be_visible()
    page.get_by_role("button", name=button).click()
    page.wait_for_url(lambda url: not url.endswith(job.get_absolute_url()))
    again = Job.objects.exclude(pk=job.pk).get()
    assert page.url.endswith(again.get_absolute_url())
    assert again.state in ("checking", "queued")


def test_the_page_turns_itself_from_checking_to_refused(browse: OpenPage, owner: User, dataset: Dataset) -> None:
    job = make_job(owner, state="checking", dataset=dataset)
    page = browse(owner, job.get_absolute_url())
    expect(page.get_by_text("Waiting to be rehearsed")).to_be_visible()
    Job.objects.update(lease_until=timezone.now() + timedelta(minutes=5))
    expect(page.get_by_text("Being rehearsed")).to_be_visible()
    expect(page.locator("loss-chart")).to_be_hidden()
    move(job, "refused", error=stopped()["findings"][0], rehearsal=Rehearsal.objects.create(document=stopped()))
    expect(page.get_by_role("heading", name="Why it was refused")).to_be_visible()
    expect(page.locator("#job-rehearsal")).to_contain_text("Rehearsed: it would fail")
    expect(page.get_by_text("Being rehearsed")).to_be_hidden()
    expect(page.get_by_role("link", name="New job: Use 512")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_state_of_a_rehearsal_violates_wcag(browse: OpenPage, owner: User, dataset: Dataset, theme: str) -> None:
    form = chosen(NewJob(browse(owner, "/jobs/new", theme=theme)), dataset)
    rehearse(form)
    assert violations(form.page) == []
    answer(document(findings=[WARNING]))
    expect(form.page.locator("#rehearsal")).to_contain_text("Row 4 trains nothing.")
    assert violations(form.page) == []
    form.page.goto(refused(owner, dataset, not_rehearsed(), NOT_POSSIBLE).get_absolute_url())
    assert violations(form.page) == []
    form.page.goto(make_job(owner, state="checking", dataset=dataset).get_absolute_url())
    assert violations(form.page) == []


def test_no_state_of_a_rehearsal_scrolls_sideways_on_a_phone(browse: OpenPage, owner: User, dataset: Dataset) -> None:
    form = chosen(NewJob(browse(owner, "/jobs/new", viewport=PHONE)), dataset)
    rehearse(form)
    answer(document(findings=[WARNING], log="Traceback " + "x" * 400))
    expect(form.page.locator("#rehearsal")).to_contain_text("Row 4 trains nothing.")
    form.page.evaluate("() => document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert sideways(form.page) == 0
    form.page.goto(refused(owner, dataset, document(findings=[WARNING]), WARNING).get_absolute_url())
    assert sideways(form.page) == 0
