"""Datasets in a real browser: their rows, a corrected copy, a split; in light and dark, and on a phone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from playwright.sync_api import Page, expect

from datasets_app.models import Dataset
from datasets_app.services import create_dataset

from .conftest import DESKTOP, PHONE, OpenPage
from .pages import sideways, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]


def chat(number: int) -> str:
    turns = [
        {"role": "user", "content": f"How long is the beam of lighthouse number {number}?"},
        {"role": "assistant", "content": f"About {10 + number} nautical miles, when the night is clear."},
    ]
    return json.dumps({"messages": turns, "source": "log book"})


BAD = (
    '{"messages": [',
    '{"messages": [{"role": "user", "content": null}, {"role": "assistant", "content": "Ahoy"}]}',
    '{"messages": [{"role": "user", "content": "Anybody there?"}]}',
)


@pytest.fixture
def dataset(owner: User) -> Dataset:
    rows = "\n".join([*map(chat, range(30)), *BAD, chat(1), chat(2)]).encode()
    return create_dataset(owner=owner, name="Lighthouses", upload=SimpleUploadedFile("keeper.jsonl", rows))


def rows_shown(page: Page) -> list[str]:
    return [str(each.get_attribute("id")) for each in page.locator("#rows article").all()]


def test_rows_are_gone_through_without_leaving_the_page(browse: OpenPage, owner: User, dataset: Dataset) -> None:
    page = browse(owner, f"/datasets/{dataset.pk}/")
    assert rows_shown(page) == [f"row-{number}" for number in range(1, 6)]
    page.get_by_role("link", name="Next", exact=True).click()
    expect(page.locator("#row-6")).to_be_visible()
    expect(page.get_by_role("heading", name="Corrected copy")).to_be_visible()
    page.get_by_label("Words in a row").fill("number 17")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#row-18 .bubble-user")).to_have_text("How long is the beam of lighthouse number 17?")
    page.get_by_role("link", name="JSON", exact=True).click()
    expect(page.locator("#rows pre").first).to_contain_text('"source": "log book"')


def test_a_bad_row_is_one_click_away(browse: OpenPage, owner: User, dataset: Dataset) -> None:
    page = browse(owner, f"/datasets/{dataset.pk}/")
    page.get_by_role("link", name="Show line 32").click()
    expect(page.locator("#row-32 .finding")).to_contain_text("null-content")
    page.get_by_label("Which rows").select_option("broken-json")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#rows")).to_contain_text("Rows 32 to 35 of 35 were searched.")
    assert rows_shown(page) == []


@pytest.mark.parametrize("scripts", [True, False])
def test_a_corrected_copy_is_counted_first_and_then_made(
    browse: OpenPage, owner: User, dataset: Dataset, scripts: bool
) -> None:
    page = browse(owner, f"/datasets/{dataset.pk}/", scripts=scripts)
    page.get_by_label("Null content").select_option("drop")
    page.get_by_role("button", name="Count what would change").click()
    expect(page.get_by_role("status").filter(has_text="Of all 35 rows")).to_contain_text("5 left out")
    assert page.get_by_label("Null content").input_value() == "drop"
    page.get_by_role("button", name="Make the corrected copy").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lighthouses, corrected")
    with page.expect_download() as download:
        page.get_by_role("link", name="0 repaired, 5 left out").click()
    assert len(download.value.path().read_text().splitlines()) == 5


def test_a_split_makes_both_parts(browse: OpenPage, owner: User, dataset: Dataset) -> None:
    page = browse(owner, f"/datasets/{dataset.pk}/")
    page.get_by_label("Hold out").fill("0.25")
    page.get_by_role("button", name="Make both parts").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lighthouses, training part")
    page.get_by_role("link", name="Lighthouses, held-out part").click()
    page.get_by_label("Evaluate with this one").select_option(label="Lighthouses, training part")
    page.get_by_role("button", name="Count the rows both have").click()
    expect(page.locator("main")).to_contain_text("None of the 8 rows to evaluate with")


def in_pieces(page: Page) -> None:
    """As if the files of these tests were large: read before the script is."""
    script = (
        "document.addEventListener('readystatechange', () => {"
        " const form = document.getElementById('upload-form');"
        " if (form) Object.assign(form.dataset, {whole: 100, piece: 700}); }, {once: true});"
    )
    page.add_init_script(script)


def test_a_large_file_is_sent_in_pieces_and_survives_a_break(browse: OpenPage, owner: User) -> None:
    page = browse(owner, "/account/")
    in_pieces(page)
    page.goto("/datasets/")
    sent: list[str] = []
    broken: list[str] = []

    def meddle(route: Any) -> None:
        sent.append(route.request.url)
        if len(sent) == 3 and not broken:
            broken.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    page.route("**/api/v1/uploads/*/?offset=*", meddle)
    rows = "\n".join(map(chat, range(20))).encode()
    page.get_by_label("Name", exact=True).fill("In pieces")
    page.get_by_label("File", exact=True).set_input_files({"name": "big.jsonl", "mimeType": "", "buffer": rows})
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("In pieces")
    assert broken
    assert len(sent) == -(-len(rows) // 700) + 1
    dataset = Dataset.objects.get()
    assert (dataset.rows, dataset.path.read_bytes()) == (20, rows)
    page.watched.forget("net::ERR_FAILED")  # type: ignore[attr-defined]


def test_a_large_file_that_cannot_be_used_says_why(browse: OpenPage, owner: User) -> None:
    page = browse(owner, "/account/")
    in_pieces(page)
    page.goto("/datasets/")
    page.get_by_label("File", exact=True).set_input_files({"name": "a.pdf", "mimeType": "", "buffer": b"%PDF-" * 100})
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator("#upload-findings .finding")).to_contain_text("PDF")
    expect(page.get_by_role("button", name="Upload", exact=True)).to_be_enabled()
    page.watched.forget("status of 400")  # type: ignore[attr-defined]


def test_rows_are_pasted(browse: OpenPage, owner: User) -> None:
    page = browse(owner, "/datasets/")
    page.get_by_text("Or paste rows").click()
    page.get_by_label("Rows", exact=True).fill("\n".join(map(chat, range(3))))
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("pasted")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("address", ["/datasets/", "/datasets/{}/", "/datasets/{}/rows/?view=table&limit=25"])
def test_the_pages_can_be_used_by_everybody(
    browse: OpenPage, owner: User, dataset: Dataset, address: str, viewport: Any, theme: str
) -> None:
    page = browse(owner, address.format(dataset.pk), theme=theme, viewport=viewport)
    assert violations(page) == []
    assert sideways(page) <= 0
