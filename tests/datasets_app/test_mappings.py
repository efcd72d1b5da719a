"""Saying which column is what: what plans make of rows, and the ways to apply and keep them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from datasets_app.models import ColumnMapping, Dataset
from datasets_app.reading.mapping import Plan, Unfit, guessed
from datasets_app.reading.problems import BadRow
from tests.make import make_client, make_dataset, make_user

ROW = {"topic": "Tides", "body": "Why?", "reply": "The moon.", "worse": "No idea.", "score": 4, "talk": None}


def plan(*columns: str, **options: Any) -> Plan:
    pairs = (each.split("=") for each in columns)
    return Plan.of({"columns": [{"column": column, "purpose": purpose} for column, purpose in pairs], **options})


def turn(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


MADE: dict[str, tuple[Plan, dict[str, Any]]] = {
    "one column to learn": (plan("reply=text"), {"text": "The moon."}),
    "two columns to learn, one a number": (plan("reply=text", "score=text"), {"text": "The moon.\n4"}),
    "question and answer as turns": (
        plan("topic=prompt", "body=prompt", "reply=completion"),
        {"prompt": [turn("user", "Tides\nWhy?")], "completion": [turn("assistant", "The moon.")]},
    ),
    "question and answer as texts": (
        plan("body=prompt", "reply=completion", chat=False), {"prompt": "Why?", "completion": "The moon."},
    ),
    "one system prompt for all": (
        plan("body=prompt", "reply=completion", chat=False, system=" Be kind. "),
        {"prompt": [turn("system", "Be kind."), turn("user", "Why?")], "completion": [turn("assistant", "The moon.")]},
    ),
    "a column of system prompts": (
        plan("topic=system", "body=prompt", "reply=completion"),
        {"prompt": [turn("system", "Tides"), turn("user", "Why?")], "completion": [turn("assistant", "The moon.")]},
    ),
    "a preference": (
        plan("body=prompt", "reply=chosen", "worse=rejected"),
        {"prompt": [turn("user", "Why?")], "chosen": [turn("assistant", "The moon.")],
         "rejected": [turn("assistant", "No idea.")]},
    ),
    "columns in turn": (
        plan("topic=user", "worse=assistant", "body=user", "reply=assistant"),
        {"messages": [turn("user", "Tides"), turn("assistant", "No idea."), turn("user", "Why?"),
                      turn("assistant", "The moon.")]},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("how", "expected"), MADE.values(), ids=MADE)
def test_a_row_is_made_of_its_columns(how: Plan, expected: dict[str, Any]) -> None:
    assert how.row(json.dumps(ROW).encode()) == expected
    assert Plan.of(how.as_options()) == how


def test_a_list_of_turns_in_any_spelling_is_a_chat() -> None:
    row = {"talk": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ahoy"}]}
    made = plan("talk=messages", system="Be kind.").row(json.dumps(row).encode())
    assert made == {"messages": [turn("system", "Be kind."), turn("user", "Hi"), turn("assistant", "Ahoy")]}


@pytest.mark.parametrize(
    ("row", "code"),
    [({**ROW, "reply": None}, "empty-answer"), ({"id": 3}, "missing-field"), ([], "not-an-object")],
)
def test_a_row_of_which_nothing_can_be_made_says_why(row: Any, code: str) -> None:
    with pytest.raises(BadRow) as reason:
        plan("body=prompt", "reply=completion").row(json.dumps(row).encode())
    assert reason.value.code == code


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ([], "No column is used"),
        (["body=prompt"], "a question needs an answer"),
        (["body=prompt", "reply=chosen"], "a preference needs"),
        (["body=user"], "a chat needs columns"),
        (["body=text", "reply=completion"], "do not go together"),
        (["talk=messages", "reply=assistant"], "no other column can be used beside it"),
        (["body=prompt", "body=completion"], "named twice"),
        (["body=nonsense"], "is no purpose"),
    ],
)
def test_purposes_that_make_no_format_are_refused(columns: list[str], words: str) -> None:
    with pytest.raises(Unfit, match=words):
        plan(*columns)


@pytest.mark.parametrize("options", [{}, {"columns": "body"}, {"columns": [3]}, {"columns": [{}], "system": 3}])
def test_what_is_no_plan_at_all_is_refused(options: Any) -> None:
    with pytest.raises(Unfit):
        Plan.of(options)


def test_names_of_columns_suggest_their_purpose() -> None:
    assert guessed(["Title", "ask", "summary", "id"]) == {"Title": "prompt", "summary": "completion"}


# API and page

COLUMNS = [{"column": "body", "purpose": "prompt"}, {"column": "reply", "purpose": "completion"}]


def strange(name: str = "strange") -> Dataset:
    return make_dataset(name=name, row=ROW, format="unknown", conversational=False, preview=[ROW])


def url(dataset: Dataset) -> str:
    return f"/api/v1/datasets/{dataset.pk}/map/"


@pytest.mark.django_db
def test_the_api_tries_makes_and_keeps() -> None:
    dataset = strange()
    client = make_client(dataset.owner)
    tried = client.post(f"{url(dataset)}?preview", {"columns": COLUMNS}, format="json").json()
    assert (tried["format"], tried["rows"], tried["good"], len(tried["examples"])) == ("prompt_completion", 20, 20, 3)
    assert Dataset.objects.count() == 1
    made = client.post(url(dataset), {"columns": COLUMNS, "name": "mails"}, format="json")
    assert made.status_code == 201
    assert (made.json()["format"], made.json()["rows"], made.json()["parent"]) == ("prompt_completion", 20, dataset.pk)
    kept = client.get("/api/v1/mappings/").json()["results"]
    assert [(each["name"], each["columns"], each["format"]) for each in kept] == [
        ("mails", COLUMNS, "prompt_completion")
    ]
    again = client.post(url(strange("again")), {"mapping": kept[0]["id"]}, format="json")
    assert again.json()["conversational"] is True


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sent", "field"),
    [({}, "columns"), ({"columns": [{"column": "nowhere", "purpose": "text"}]}, "columns"),
     ({"mapping": 99}, "mapping"), ({"mapping": "x"}, "mapping"), ([], "columns"),
     ({"columns": COLUMNS, "name": " "}, "name")],
)  # fmt: skip
def test_what_cannot_be_mapped_is_refused_with_its_field(sent: Any, field: str) -> None:
    dataset = strange()
    answer = make_client(dataset.owner).post(url(dataset), sent, format="json")
    assert (answer.status_code, answer.json()["findings"][0]["field"]) == (400, field)


@pytest.mark.django_db
def test_mappings_are_their_owners() -> None:
    kept = ColumnMapping.objects.create(owner=make_user(), name="mails", columns=COLUMNS)
    stranger = make_client(make_user("stranger"))
    address = f"/api/v1/mappings/{kept.pk}/"
    assert [stranger.get(address).status_code, stranger.delete(address).status_code] == [404, 404]
    assert stranger.get("/api/v1/mappings/").json()["results"] == []
    assert make_client(make_user()).delete(address).status_code == 204


@pytest.mark.django_db
def test_rows_that_cannot_be_made_are_left_out_with_their_lines() -> None:
    dataset = strange()
    lines = [json.dumps(ROW), json.dumps({**ROW, "reply": ""}), json.dumps(ROW)]
    dataset.path.write_text("\n".join(lines))
    made = make_client(dataset.owner).post(url(dataset), {"columns": COLUMNS}, format="json").json()
    assert (made["rows"], made["report"]["rows_left_out"]) == (2, 1)
    report = json.loads(Dataset.objects.get(pk=made["id"]).report_path.read_text())
    assert (report["line"], report["code"]) == (2, "empty-answer")


@pytest.fixture
def page(client: Client, db: None) -> Client:
    client.force_login(make_user())
    return client


def test_an_unknown_dataset_leads_to_its_columns(page: Client) -> None:
    dataset = strange()
    assert f"/datasets/{dataset.pk}/map" in page.get(dataset.get_absolute_url()).content.decode()


def test_the_page_shows_what_becomes_of_rows_and_makes_a_version(page: Client) -> None:
    dataset = strange()
    address = f"/datasets/{dataset.pk}/map"
    assert "The moon." in page.get(address).content.decode()
    sent = {"purpose-1": "prompt", "purpose-2": "completion", "chat": "1", "name": "mails"}
    tried = page.post(address, {**sent, "try": "1"}).content.decode()
    assert "Of the first 20 rows, <b>20</b> can be trained on" in tried
    assert Dataset.objects.count() == 1
    made = page.post(address, sent)
    version = Dataset.objects.exclude(pk=dataset.pk).get()
    assert (made["Location"], version.format, version.parent) == (
        version.get_absolute_url(),
        "prompt_completion",
        dataset,
    )
    offered = page.get(f"/datasets/{strange('next').pk}/map").content.decode()
    assert ">mails</a>" in offered


def test_the_page_keeps_what_was_chosen_when_it_does_not_go_together(page: Client) -> None:
    answer = page.post(f"/datasets/{strange().pk}/map", {"purpose-1": "prompt", "system": "Be <kind>."})
    assert answer.status_code == 400
    told = answer.content.decode()
    assert "a question needs an answer" in told
    assert "Be &lt;kind&gt;." in told
    assert '<option value="prompt" selected>' in told


def test_a_kept_mapping_fills_the_form_and_can_be_deleted(page: Client) -> None:
    kept = ColumnMapping.objects.create(owner=make_user(), name="mails", columns=COLUMNS)
    dataset = strange()
    assert (
        '<option value="completion" selected>'
        in page.get(f"/datasets/{dataset.pk}/map?mapping={kept.pk}").content.decode()
    )
    page.post(f"/datasets/{dataset.pk}/map/{kept.pk}/forget")
    assert not ColumnMapping.objects.exists()
