"""Every main page, light and dark: no violation of WCAG 2.2 AA, a silent console, no sideways scroll on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.make import make_dataset, make_job, make_model

from .conftest import PHONE, OpenPage
from .pages import NewJob, sideways, violations
from .test_job_page import step, tell, write_log

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
FIX = {"label": "Use batch size 2", "changes": {"training.batch_size": 2}, "action": None}
ERROR = {"code": "memory", "severity": "error", "field": None, "message": "Out of memory.", "fix": FIX, "fixes": [FIX]}
CHART_SAYS = re.compile("Training loss")
LONG = "a-name-that-is-rather-long-and-has-no-space-in-it-at-all-to-break-at.safetensors"


def furnish(owner: User) -> dict[str, str]:
    """Something to see on every page; answers their addresses."""
    model = make_model()
    make_model("house/tiny-gpt2", family="GPT-2", chat=False)
    dataset = make_dataset(owner)
    running = make_job(owner, name="in work", state="running", attempt=1, step=2, total_steps=10)
    tell(running, step(1, 3.0), step(2, 2.5))
    write_log(running, "loading\n" + "x" * 300)
    files = {"artifacts": [{"name": LONG, "size": 12345678, "sha256": "ab" * 32}]}
    succeeded = make_job(owner, name="done", state="succeeded", result=files, dataset=dataset)
    failed = make_job(owner, name="out of memory", state="failed", error=ERROR)
    checking = make_job(owner, name="being rehearsed", state="checking")
    measured = {"predicted": {"memory_bytes": 10**9, "seconds": 90}, "measured": {"memory_bytes": 10**9}}
    compared = make_job(owner, name="measured", state="succeeded", attempt=1, result=measured)
    return {
        "home": "/", "jobs": "/jobs/", "new job": "/jobs/new", "running": f"/jobs/{running.pk}/",
        "succeeded": f"/jobs/{succeeded.pk}/", "failed": f"/jobs/{failed.pk}/", "checking": f"/jobs/{checking.pk}/",
        "compared": f"/jobs/{compared.pk}/", "datasets": "/datasets/",
        "dataset": f"/datasets/{dataset.pk}/", "models": "/models/", "model": f"/models/{model.pk}/",
        "account": "/account/", "password": "/account/password/", "nothing": "/nowhere",
    }  # fmt: skip


def ready(page: Page) -> None:
    """Live pages have drawn what they were told."""
    if page.locator("loss-chart").count():
        expect(page.locator("loss-chart")).to_have_attribute("aria-label", CHART_SAYS)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_violates_wcag(browse: OpenPage, owner: User, theme: str) -> None:
    addresses = furnish(owner)
    page = browse(owner, "/", theme=theme)
    found = {name: _visit(page, address, violations) for name, address in addresses.items()}
    page.watched.forget("404")  # type: ignore[attr-defined]
    assert page.locator("html").get_attribute("data-bs-theme") == theme
    assert {name: bad for name, bad in found.items() if bad} == {}
    assert len(found) == 15


def _visit(page: Page, address: str, look: Callable[[Page], object]) -> object:
    page.goto(address)
    ready(page)
    return look(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_form_with_findings_and_its_dialog_violate_nothing(browse: OpenPage, owner: User, theme: str) -> None:
    furnish(owner)
    form = NewJob(browse(owner, "/jobs/new", theme=theme))
    form.choose("model.name", "house/tiny-gpt2")
    form.type("training.num_epochs", "50")
    form.type("training.batch_size", "0")
    assert violations(form.page) == []
    form.check_and_start()
    assert violations(form.page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_login_page_violates_nothing(browse: OpenPage, owner: User, theme: str) -> None:
    page = browse(None, "/login/", theme=theme)
    assert violations(page) == []


def test_no_page_scrolls_sideways_on_a_phone(browse: OpenPage, owner: User) -> None:
    addresses = furnish(owner)
    page = browse(owner, "/", viewport=PHONE)
    wide = {name: _visit(page, address, sideways) for name, address in addresses.items()}
    page.watched.forget("404")  # type: ignore[attr-defined]
    assert {name: pixels for name, pixels in wide.items() if pixels} == {}


def test_the_form_with_findings_does_not_scroll_sideways_on_a_phone(browse: OpenPage, owner: User) -> None:
    furnish(owner)
    form = NewJob(browse(owner, "/jobs/new", viewport=PHONE))
    form.choose("model.name", "house/tiny-gpt2")
    form.type("training.batch_size", "0")
    form.check_and_start()
    assert sideways(form.page) == 0


def test_the_chosen_colours_stay(browse: OpenPage, owner: User) -> None:
    page = browse(owner, "/")
    page.get_by_role("radio", name="Dark").check(force=True)
    page.goto("/jobs/")
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"
    assert "dark" in page.evaluate("async () => (await (await fetch(location.href)).text()).slice(0, 120)")
