"""Downloads in the browser: how far they are without a reload, and how they are cancelled, with scripts and without."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect

from models_catalog.models import BaseModel, Download
from tests.make import make_family

from .conftest import PHONE, OpenPage
from .pages import sideways, violations

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def download(owner: User) -> Download:
    model = BaseModel.objects.create(name="acme/tiny-llama", family=make_family("Llama"), size_bytes=2_900_000_000)
    so_far = {"bytes_done": 412_000_000, "bytes_total": 2_900_000_000, "bytes_per_second": 7_000_000}
    download = Download.objects.create(model=model, asked_by=owner, state="running", **so_far)
    Download.objects.update(touched_at=timezone.now() + timedelta(hours=1))  # its process is not heard of meanwhile
    return download


def test_how_far_it_is_shows_without_a_reload_and_it_is_cancelled(
    browse: OpenPage, owner: User, download: Download
) -> None:
    page = browse(owner, download.model.get_absolute_url())
    part = page.locator("#download")
    expect(part).to_contain_text("412 MB of 2.9 GB, 7 MB a second, about 6 minutes left")
    Download.objects.update(bytes_done=1_450_000_000)
    expect(part).to_contain_text("1.4 GB of 2.9 GB")
    expect(part.get_by_role("progressbar")).to_have_attribute("value", "50")
    page.get_by_role("button", name="Cancel and delete it").click()
    expect(part).to_contain_text("Being cancelled")
    download.refresh_from_db()
    assert (download.cancel_requested, download.drop_partial) == (True, True)
    Download.objects.update(state="cancelled", drop_partial=False, bytes_done=0, finished_at=timezone.now())
    expect(part).to_contain_text("The last download was cancelled.")
    expect(part.get_by_role("button", name="Download")).to_be_visible()


@pytest.mark.parametrize("viewport", [None, PHONE])
def test_all_downloads_fit_the_page_and_are_accessible(
    browse: OpenPage, owner: User, download: Download, viewport: dict[str, int] | None
) -> None:
    later = timezone.now() + timedelta(minutes=5)
    busy = {"code": "catalogue.busy", "field": "model.name", "message": "The hub takes no more calls for now."}
    other = BaseModel.objects.create(name="acme/other-model-with-a-long-name-7B-Instruct", family=make_family("Llama"))
    Download.objects.create(model=other, asked_by=owner, state="waiting", not_before=later, error=busy)
    ended = {"state": "failed", "finished_at": timezone.now(), "error": busy}
    Download.objects.create(model=other, revision="v2", asked_by=owner, **ended)
    page = browse(owner, "/models/downloads/", **({"viewport": viewport} if viewport else {}))
    expect(page.get_by_role("progressbar")).to_have_count(2)
    expect(page.get_by_role("button", name="Try now")).to_be_visible()
    assert violations(page) == []
    assert not sideways(page)
