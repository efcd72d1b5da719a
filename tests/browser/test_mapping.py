"""Saying which column is what, and trying a conversion, in a real browser."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from playwright.sync_api import expect

from datasets_app.models import Dataset
from datasets_app.services import create_dataset

from .conftest import PHONE, OpenPage
from .pages import sideways, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]


def uploaded(owner: User, *rows: dict[str, object]) -> Dataset:
    content = "".join(json.dumps(row) + "\n" for row in rows * 12).encode()
    return create_dataset(owner=owner, name="Mails", upload=SimpleUploadedFile("mails.jsonl", content))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_choice_shows_what_becomes_of_the_rows(browse: OpenPage, owner: User, theme: str) -> None:
    dataset = uploaded(owner, {"heading": "The beam", "mail": "How long is it?", "sent_back": "Ten miles."})
    page = browse(owner, f"/datasets/{dataset.pk}/map", theme=theme)
    page.get_by_label("mail", exact=True).select_option("prompt")
    expect(page.locator("#mapping")).to_contain_text("a question needs an answer")
    page.get_by_label("sent_back", exact=True).select_option("completion")
    expect(page.locator("#mapping")).to_contain_text("Of the first 12 rows, 12 can be trained on")
    page.get_by_label("System prompt for all rows").fill("Be kind.")
    expect(page.locator("#mapping pre").nth(1)).to_contain_text('"content": "Be kind."')
    assert violations(page) == []
    page.get_by_role("button", name="Make the dataset").click()
    expect(page.get_by_text("Made from mail, sent_back.")).to_be_visible()


def test_the_form_fits_a_phone(browse: OpenPage, owner: User) -> None:
    dataset = uploaded(owner, {"heading": "The beam " * 40, "a_rather_long_name_of_a_column": "x", "b": "y"})
    page = browse(owner, f"/datasets/{dataset.pk}/map", viewport=PHONE)
    assert sideways(page) == 0


def test_a_conversion_is_shown_before_it_is_made(browse: OpenPage, owner: User) -> None:
    turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "The keeper."}]
    page = browse(owner, f"/datasets/{uploaded(owner, {'messages': turns}).pk}/")
    page.locator("#convert form").nth(1).get_by_role("button", name="Show three rows first").click()
    expect(page.locator("#convert .trial")).to_contain_text("Of each chat only the last answer is learnt")
    expect(page.get_by_role("heading", name="Corrected copy")).to_be_visible()
