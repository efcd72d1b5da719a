"""The pages of the datasets."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from datasets_app.models import Dataset
from tests.make import make_dataset, make_job, make_user

pytestmark = pytest.mark.django_db

CHAT = b'{"messages": [{"role": "user", "content": "<b>Hi</b>"}, {"role": "assistant", "content": "Ahoy"}]}\n'
HTMX = {"HX-Request": "true"}


@pytest.fixture
def browser() -> Client:
    client = Client()
    client.force_login(make_user())
    return client


def send(browser: Client, content: bytes = CHAT, *, name: str = "", headers: dict[str, str] | None = None) -> Any:
    sent = {"file": SimpleUploadedFile("chats.jsonl", content), "name": name}
    return browser.post("/datasets/upload", sent, headers=headers or {})


def test_without_datasets_the_page_says_how_to_begin(browser: Client) -> None:
    page = browser.get("/datasets/").content.decode()
    assert "No datasets yet" in page
    assert 'enctype="multipart/form-data"' in page


def test_an_upload_leads_to_the_page_of_the_dataset(browser: Client) -> None:
    response = send(browser, name="support")
    dataset = Dataset.objects.get()
    assert (response.status_code, response["Location"]) == (302, f"/datasets/{dataset.pk}/")
    page = browser.get(response["Location"]).content.decode()
    assert "support" in page
    assert f"/jobs/new?data.dataset={dataset.pk}" in page


def test_with_javascript_the_browser_is_told_where_to_go(browser: Client) -> None:
    response = send(browser, headers=HTMX)
    assert response["HX-Redirect"] == f"/datasets/{Dataset.objects.get().pk}/"


def test_a_refused_upload_shows_the_whole_page_and_keeps_the_name(browser: Client) -> None:
    response = send(browser, b"", name="support")
    page = response.content.decode()
    assert response.status_code == 422
    assert 'data-code="upload.empty"' in page
    assert 'value="support"' in page
    assert "<h1>" in page


def test_with_javascript_a_refused_upload_sends_the_findings_only(browser: Client) -> None:
    response = send(browser, b"", headers=HTMX)
    assert response.status_code == 422
    assert 'data-code="upload.empty"' in response.content.decode()
    assert "<h1>" not in response.content.decode()


def test_an_upload_without_a_file_is_explained(browser: Client) -> None:
    response = browser.post("/datasets/upload", {"name": "nothing"})
    assert 'data-code="upload.missing"' in response.content.decode()


def test_rows_can_be_pasted(browser: Client) -> None:
    response = browser.post("/datasets/upload", {"pasted": CHAT.decode() * 2, "name": "by hand"}, follow=True)
    assert "by hand" in response.content.decode()
    assert (Dataset.objects.get().rows, Dataset.objects.get().file_name) == (2, "pasted.jsonl")
    refused = browser.post("/datasets/upload", {"pasted": "%PDF", "name": "by hand"})
    assert refused.status_code == 422
    assert ">%PDF</textarea>" in refused.content.decode()


def test_the_list_finds_by_name(browser: Client) -> None:
    make_dataset(name="apples")
    make_dataset(name="pears")
    page = browser.get("/datasets/", {"q": "app", "order": "nonsense", "page": "many"}).content.decode()
    assert "apples" in page
    assert "pears" not in page
    assert "No dataset has" in browser.get("/datasets/", {"q": "x\0y"}).content.decode()


def test_the_list_has_pages(browser: Client) -> None:
    for number in range(26):
        make_dataset(name=f"number {number}")
    assert "1–25 of 26" in browser.get("/datasets/").content.decode()
    assert "26–26 of 26" in browser.get("/datasets/", {"page": 2}).content.decode()


def test_the_list_says_how_many_jobs_used_a_dataset(browser: Client) -> None:
    make_job(dataset=make_dataset())
    assert "1 job<" in browser.get("/datasets/").content.decode()


def test_rows_are_shown_as_bubbles_and_escaped(browser: Client) -> None:
    page = browser.get(send(browser)["Location"]).content.decode()
    assert 'bubble bubble-user">&lt;b&gt;Hi&lt;/b&gt;' in page
    assert 'bubble bubble-assistant">Ahoy' in page
    assert "<b>Hi</b>" not in page


def test_a_preference_row_shows_both_answers(browser: Client) -> None:
    page = browser.get(send(browser, b'{"prompt": "p", "chosen": "c", "rejected": "r"}')["Location"]).content.decode()
    assert "is-chosen" in page
    assert "is-rejected" in page


def test_long_texts_are_folded(browser: Client) -> None:
    page = browser.get(send(browser, b'{"text": "' + b"a" * 1000 + b'"}')["Location"]).content.decode()
    assert "300 more characters" in page


def test_a_row_with_nul_in_it_is_stored_and_shown(browser: Client) -> None:
    page = browser.get(send(browser, b'{"text": "left\\u0000right", "\\u0000": 1}')["Location"]).content.decode()
    assert "left␀right" in page


def test_bad_rows_are_listed_with_their_lines(browser: Client) -> None:
    page = browser.get(send(browser, CHAT + b"{\n")["Location"]).content.decode()
    assert "broken JSON × 1" in page
    assert '<td class="text-end">2</td>' in page


def test_a_dataset_without_bad_rows_has_no_list_of_them(browser: Client) -> None:
    assert "What is wrong" not in browser.get(send(browser)["Location"]).content.decode()


def test_an_unknown_format_names_the_columns_and_offers_no_job(browser: Client) -> None:
    page = browser.get(send(browser, b'{"colour": "a", "shape": "b"}')["Location"]).content.decode()
    assert "colour, shape" in page
    assert "New job with this dataset" not in page


def test_while_a_dataset_is_read_its_page_asks_again(browser: Client) -> None:
    dataset = make_dataset(status="reading", size_bytes=100, read_bytes=40)
    page = browser.get(f"/datasets/{dataset.pk}/").content.decode()
    assert 'hx-trigger="every 2s"' in page
    part = browser.get(f"/datasets/{dataset.pk}/", headers=HTMX)
    assert 'value="40"' in part.content.decode()
    assert "<h1>" not in part.content.decode()
    Dataset.objects.update(status="ready")
    assert browser.get(f"/datasets/{dataset.pk}/", headers=HTMX)["HX-Refresh"] == "true"


def test_a_dataset_that_could_not_be_read_says_why(browser: Client) -> None:
    dataset = make_dataset(status="failed", error={"message": "Our fault, reference ABCD."})
    assert "Our fault, reference ABCD." in browser.get(f"/datasets/{dataset.pk}/").content.decode()


def test_converting_leads_to_the_new_dataset(browser: Client) -> None:
    original = make_dataset()
    assert "Make a copy as text" in browser.get(f"/datasets/{original.pk}/").content.decode()
    response = browser.post(f"/datasets/{original.pk}/convert", {"to": "text"}, follow=True)
    page = response.content.decode()
    assert "support chats as text" in page
    assert f'href="/datasets/{original.pk}/"' in page


def test_a_conversion_that_does_not_exist_is_explained(browser: Client) -> None:
    response = browser.post(f"/datasets/{make_dataset().pk}/convert", {"to": "parquet"})
    assert response.status_code == 400
    assert "dataset.not-convertible" in response.content.decode()


def test_deleting_leads_back_to_the_list(browser: Client) -> None:
    dataset = make_dataset()
    response = browser.post(f"/datasets/{dataset.pk}/delete", follow=True)
    assert "was deleted" in response.content.decode()
    assert not Dataset.objects.exists()


def test_deleting_is_refused_while_a_job_needs_the_dataset(browser: Client) -> None:
    dataset = make_dataset()
    make_job(dataset=dataset, name="nightly")
    response = browser.post(f"/datasets/{dataset.pk}/delete")
    assert response.status_code == 409
    assert "nightly" in response.content.decode()
    assert Dataset.objects.exists()


BAD = CHAT * 2 + b'{"messages": [{"role": "user", "content": null}, {"role": "assistant", "content": "Ahoy"}]}\n{\n'


def test_bad_rows_lead_to_their_rows(browser: Client) -> None:
    address = send(browser, BAD)["Location"]
    page = browser.get(address).content.decode()
    assert f'href="{address}rows/?problem=broken-json"' in page
    rows = browser.get(f"{address}rows/", {"problem": "broken-json"}).content.decode()
    assert 'id="row-4"' in rows
    assert 'id="row-3"' not in rows
    assert "The JSON of this row is broken" in rows


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"row": "3", "limit": "1"}, [3]),
        ({"line": "2", "limit": "1"}, [2]),
        ({"search": "null"}, [3]),
        ({"row": "99"}, [4]),
        ({"row": "-1", "limit": "many", "view": "upside-down", "problem": "x", "line": "²"}, [1, 2, 3, 4]),
    ],
)
def test_rows_are_shown_as_they_are_asked_for(browser: Client, asked: dict[str, str], shown: list[int]) -> None:
    page = browser.get(f"{send(browser, BAD)['Location']}rows/", asked).content.decode()
    assert [number for number in range(1, 5) if f'id="row-{number}"' in page] == shown


def test_rows_are_shown_in_three_ways(browser: Client) -> None:
    address = f"{send(browser, BAD)['Location']}rows/"
    assert "bubble-user" in browser.get(address).content.decode()
    assert "<td>[{&quot;role&quot;" in browser.get(address, {"view": "table"}).content.decode()
    assert "&quot;content&quot;: &quot;Ahoy&quot;" in browser.get(address, {"view": "raw"}).content.decode()
    assert 'aria-label="Row ' in browser.get(address, {"random": "1"}).content.decode()


def test_a_corrected_copy_is_counted_and_then_made(browser: Client) -> None:
    address = send(browser, BAD, name="mine")["Location"]
    tried = browser.post(f"{address}correct", {"try": "1", "choices.null-content": "repair"}).content.decode()
    assert "Of all 4 rows," in tried
    assert "the same as an earlier row × 1" in tried
    assert Dataset.objects.count() == 1
    made = browser.post(f"{address}correct", {"choices.duplicate": "keep"}, follow=True).content.decode()
    assert "mine, corrected" in made
    assert "1 repaired, 1 left out" in made or "0 repaired, 2 left out" in made


def test_a_correction_that_does_not_exist_is_explained(browser: Client) -> None:
    response = browser.post(f"{send(browser, BAD)['Location']}correct", {"choices.duplicate": "shout"})
    assert response.status_code == 400
    assert "correction.unknown-action" in response.content.decode()


def test_files_and_reports_are_downloaded(browser: Client) -> None:
    address = send(browser, BAD)["Location"]
    response = browser.get(f"{address}download")
    assert b"".join(response.streaming_content) == BAD
    assert response["Content-Disposition"] == 'attachment; filename="chats.jsonl"'
    assert b"".join(browser.get(f"{address}download", {"as": "jsonl"}).streaming_content).count(b"\n") == 2
    assert browser.get(f"{address}download", {"as": "word"}).status_code == 400
    assert browser.get(f"{address}report").status_code == 404
    made = browser.post(f"{address}correct")["Location"]
    assert b"Left out" in b"".join(browser.get(f"{made}report").streaming_content)


def test_a_split_leads_to_the_training_part(browser: Client) -> None:
    original = make_dataset(row={"prompt": "p", "completion": "c"})
    original.path.write_text("".join(f'{{"prompt": "p{each}", "completion": "c"}}\n' for each in range(20)))
    page = browser.post(
        f"/datasets/{original.pk}/split", {"fraction": "0.2", "seed": "7", "together": "1"}, follow=True
    )
    assert "support chats, training part" in page.content.decode()
    assert Dataset.objects.get(name="support chats, held-out part").rows == 4
    assert browser.post(f"/datasets/{original.pk}/split", {"fraction": "2"}).status_code == 400


def test_what_two_datasets_have_in_common_is_counted(browser: Client) -> None:
    mine, other = make_dataset(name="mine"), make_dataset(name="other")
    assert "Count the rows both have" in browser.get(f"/datasets/{mine.pk}/").content.decode()
    page = browser.get(f"/datasets/{mine.pk}/compare", {"with": other.pk}).content.decode()
    assert "Of 20 rows to evaluate with, 20 are also trained on" in page
    strange = make_dataset(make_user("stranger"))
    for unknown in (strange.pk, "x"):
        assert browser.get(f"/datasets/{mine.pk}/compare", {"with": unknown}).status_code == 404


def test_the_list_narrows_by_format_and_by_file(browser: Client) -> None:
    make_dataset(name="apples")
    make_dataset(name="pears", row={"text": "pear"})
    page = browser.get("/datasets/", {"format": "text"}).content.decode()
    assert "pears" in page
    assert "apples" not in page
    assert "apples" in browser.get("/datasets/", {"q": "ROWS.jsonl"}).content.decode()
    assert "has this format" in browser.get("/datasets/", {"format": "preference"}).content.decode()


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", ""), ("post", "convert"), ("post", "delete"), ("get", "rows/"), ("get", "download"), ("get", "report"),
     ("post", "correct"), ("post", "split"), ("get", "compare")],
)  # fmt: skip
@pytest.mark.parametrize("staff", [False, True])
def test_a_stranger_finds_nothing(method: str, path: str, staff: bool) -> None:
    dataset = make_dataset()
    stranger = Client()
    stranger.force_login(make_user("stranger", is_staff=staff))
    assert getattr(stranger, method)(f"/datasets/{dataset.pk}/{path}", {"to": "text"}).status_code == 404
    assert dataset.name not in stranger.get("/datasets/").content.decode()
    assert Dataset.objects.filter(pk=dataset.pk).exists()


def test_nobody_sees_anything_without_logging_in() -> None:
    assert Client().get("/datasets/")["Location"].startswith("/login/")


def test_staff_see_in_the_admin_that_a_dataset_exists_but_not_its_rows(client: Client) -> None:
    dataset = make_dataset(preview=[{"text": "a secret"}])
    client.force_login(make_user("admin", is_staff=True, is_superuser=True))
    assert dataset.name in client.get("/admin/datasets_app/dataset/").content.decode()
    page = client.get(f"/admin/datasets_app/dataset/{dataset.pk}/change/")
    assert "a secret" not in page.content.decode()
    assert client.post(f"/admin/datasets_app/dataset/{dataset.pk}/delete/", {"post": "yes"}).status_code == 403


def test_how_the_rows_look_and_were_read_is_told(browser: Client) -> None:
    share = b'{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ahoy"}]}\n'
    chat = b'{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]}\n'
    page = browser.get(send(browser, share * 2 + chat)["Location"]).content.decode()
    assert "ShareGPT; rows are read as chat (messages)" in page
    assert "chat × 1, from line 3" in page
    assert "human → user × 2" in page


def test_calls_of_tools_are_shown_where_they_are_made(browser: Client) -> None:
    call = b'{"type": "function", "function": {"name": "look", "arguments": {"where": "left"}}}'
    turns = b'{"role": "user", "content": "Hi"}, {"role": "assistant", "content": null, "tool_calls": [%s]}' % call
    page = browser.get(send(browser, b'{"messages": [%s]}' % turns)["Location"]).content.decode()
    assert "{&quot;name&quot;: &quot;look&quot;, &quot;arguments&quot;: {&quot;where&quot;: &quot;left&quot;}}" in page
    assert "tools called × 1" in page
