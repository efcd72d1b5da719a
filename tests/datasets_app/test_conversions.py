"""What rows become in another format, what is left out of it, and what is said before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from datasets_app import conversions, templated
from datasets_app.conversions import CONVERSIONS, convert_dataset, try_conversion
from datasets_app.models import Dataset
from finetune_site.problems import Problem
from tests.make import make_client, make_dataset, make_model, make_user

pytestmark = pytest.mark.django_db


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def answer(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


SYSTEM = {"role": "system", "content": "Be kind."}
CALL = {"type": "function", "function": {"name": "look", "arguments": {"where": "left"}}}
TOOLS = [{"type": "function", "function": {"name": "look"}}]
TWICE = {"messages": [SYSTEM, user("Hi"), answer("Ahoy"), user("Bye"), answer("Ahoy!")]}
SEEN = {"role": "tool", "content": "A cat"}
CALLING = {"messages": [user("Hi"), answer("", tool_calls=[CALL]), SEEN, answer("A cat")]}
TURNS = {"prompt": [SYSTEM, user("Hi")], "completion": [answer("Ahoy")]}
PLAIN = {"prompt": "Hi", "completion": " Ahoy"}

WAYS: list[tuple[str, str, dict[str, Any], Any]] = [
    ("messages", "text", TWICE,
     {"text": "System: Be kind.\n\nUser: Hi\n\nAssistant: Ahoy\n\nUser: Bye\n\nAssistant: Ahoy!"}),
    ("messages", "text", CALLING,
     {"text": 'User: Hi\n\nAssistant: look({"where": "left"})\n\nTool: A cat\n\nAssistant: A cat'}),
    ("messages", "prompt_completion", TWICE, {"prompt": TWICE["messages"][:4], "completion": [answer("Ahoy!")]}),
    ("messages", "prompt_completion", {**CALLING, "tools": TOOLS},
     {"prompt": CALLING["messages"][:3], "completion": [answer("A cat")], "tools": TOOLS}),
    ("messages", "prompt_completion", {"messages": [user("Hi"), answer("Ahoy"), user("Bye")]},
     {"prompt": [user("Hi")], "completion": [answer("Ahoy")]}),
    ("messages", "prompt_completion", {"messages": [user("Hi"), answer("Ahoy"), user("Bye"), answer("No", weight=0)]},
     {"prompt": [user("Hi")], "completion": [answer("Ahoy")]}),
    ("messages", "prompt_completion", {"messages": [answer("Ahoy")]}, "Nothing stands before its only answer."),
    ("messages", "alpaca", TWICE, {"instruction": "Bye", "input": "", "output": "Ahoy!", "system": "Be kind.",
                                   "history": [["Hi", "Ahoy"]]}),
    ("messages", "alpaca", CALLING, "It uses tools, for which Alpaca has no field."),
    ("messages", "alpaca", {"messages": [user("Hi"), user("Bye"), answer("Ahoy")]},
     "Its users and assistants do not take turns, a user first."),
    ("prompt_completion", "messages", PLAIN, {"messages": [user("Hi"), answer(" Ahoy")]}),
    ("prompt_completion", "messages", {**TURNS, "tools": TOOLS},
     {"messages": [SYSTEM, user("Hi"), answer("Ahoy")], "tools": TOOLS}),
    ("prompt_completion", "text", PLAIN, {"text": "Hi Ahoy"}),
    ("prompt_completion", "text", TURNS, {"text": "System: Be kind.\n\nUser: Hi\n\nAssistant: Ahoy"}),
    ("prompt_completion", "alpaca", TURNS, {"instruction": "Hi", "input": "", "output": "Ahoy", "system": "Be kind."}),
    ("prompt_completion", "alpaca", PLAIN, {"instruction": "Hi", "input": "", "output": " Ahoy"}),
    ("preference", "prompt_completion", {"prompt": "Hi", "chosen": "Ahoy", "rejected": "No"},
     {"prompt": "Hi", "completion": "Ahoy"}),
    ("unpaired_preference", "prompt_completion", {**PLAIN, "label": True}, PLAIN),
    ("unpaired_preference", "prompt_completion", {**PLAIN, "label": False}, "Its answer was judged bad."),
]  # fmt: skip


@pytest.mark.parametrize(("source", "to", "row", "expected"), WAYS)
def test_a_row_becomes(source: str, to: str, row: Any, expected: Any) -> None:
    conversion = conversions.find_conversion(source, to)
    assert conversion is not None
    assert conversion.change(row) == expected


def test_every_way_is_tested() -> None:
    assert {(each.source.value, each.to) for each in CONVERSIONS} == {(source, str(to)) for source, to, _, _ in WAYS}


@pytest.mark.parametrize("row", [TURNS, {"prompt": [user("A"), answer("B"), user("C")], "completion": [answer("D")]}])
def test_alpaca_and_back_loses_nothing(row: Any) -> None:
    made = convert_dataset(dataset=make_dataset(row=row), to="alpaca")
    assert (made.layout, made.format) == ("alpaca", "prompt_completion")
    assert next(made.good_rows()) == row


def test_a_row_that_has_no_place_is_left_out_and_the_report_says_why() -> None:
    dataset = make_dataset(row=CALLING)
    with dataset.path.open("a") as file:
        file.write(json.dumps(TWICE) + "\n")
    made = convert_dataset(dataset=dataset, to="alpaca")
    assert (made.rows, made.report["rows_left_out"]) == (1, 20)
    assert json.loads(made.report_path.read_text().splitlines()[2]) == {
        "line": 3, "code": "not-converted", "left_out": True,
        "done": "Left out: It uses tools, for which Alpaca has no field.",
    }  # fmt: skip


def test_trying_shows_three_rows_and_writes_nothing() -> None:
    dataset = make_dataset(row=TWICE)
    tried = try_conversion(dataset=dataset, to="prompt_completion")
    assert len(tried.pairs) == 3
    assert tried.pairs[0] == (TWICE, {"prompt": TWICE["messages"][:4], "completion": [answer("Ahoy!")]})
    assert Dataset.objects.count() == 1


def test_why_there_is_no_way_is_said() -> None:
    with pytest.raises(Problem, match="each answer is judged by itself"):
        dataset = make_dataset(row={**PLAIN, "label": True}, format="unpaired_preference")
        convert_dataset(dataset=dataset, to="preference")


def test_what_a_text_loses_of_tools_and_weights_is_said() -> None:
    extras = {"extras": {"tools": 4, "tool_calls": 3, "weights": 2}}
    made = convert_dataset(dataset=make_dataset(row=CALLING, stats=extras), to="text")
    assert "In 2 rows an answer has weight 0; in the copy it is learnt like any other." in made.notes
    assert "The tools that 4 rows describe are left out; calls are written as plain lines." in made.notes


# by a model's template


def by_template(monkeypatch: pytest.MonkeyPatch, *refused: int) -> list[int]:
    """Stands in for the process that runs templates; answers how many rows each batch had."""
    batches: list[int] = []

    def ask(task: str, *, conversations: list[Any], **_: Any) -> dict[str, Any]:
        batches.append(len(conversations))
        texts = [["", "roles must alternate"] if n in refused else [f"<{len(each['messages'])}>", ""]
                 for n, each in enumerate(conversations)]  # fmt: skip
        return {"problem": "", "texts": texts}

    monkeypatch.setattr(templated, "ask", ask)
    return batches


def test_a_models_template_writes_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templated, "BATCH", 8)
    batches = by_template(monkeypatch, 1)
    made = convert_dataset(dataset=make_dataset(row=TWICE), to="text", model=make_model().name)
    assert ([row["text"] for row in made.good_rows()], batches) == (["<5>"] * 17, [8, 8, 4])
    assert made.report["rows_left_out"] == 3
    assert made.notes[0].startswith("Written by the chat template of house/tiny-chat")


@pytest.mark.parametrize(
    ("row", "to", "model", "code"),
    [
        (TWICE, "text", "house/unheard-of", "conversion.no-model"),
        (TWICE, "prompt_completion", "house/tiny-chat", "conversion.no-template"),
        (PLAIN, "text", "house/tiny-chat", "conversion.no-template"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(row: Any, to: str, model: str, code: str) -> None:
    make_model()
    with pytest.raises(Problem) as refused:
        convert_dataset(dataset=make_dataset(row=row), to=to, model=model)
    assert [finding.code for finding in refused.value.findings] == [code]


def test_a_model_that_is_not_here_cannot_write(settings: Any) -> None:
    make_model("house/far", source="hub", path="")
    with pytest.raises(Problem, match="Fetch the model first"):
        convert_dataset(dataset=make_dataset(), to="text", model="house/far")


# API


def test_the_api_tries_before_it_converts() -> None:
    dataset = make_dataset(row=TWICE)
    url = f"/api/v1/datasets/{dataset.pk}/convert/"
    told = make_client(dataset.owner).post(f"{url}?preview", {"to": "prompt_completion"}, format="json").json()
    assert told["rows"][0] == {"before": TWICE, "after": {"prompt": TWICE["messages"][:4],
                               "completion": [answer("Ahoy!")]}, "left_out": ""}  # fmt: skip
    assert "last answer" in told["notes"][0]
    assert Dataset.objects.count() == 1


def test_strangers_try_nothing() -> None:
    url = f"/api/v1/datasets/{make_dataset().pk}/convert/?preview"
    assert make_client(make_user("stranger")).post(url, {"to": "text"}).status_code == 404


# Page


def test_the_page_shows_rows_before_it_converts(client: Any) -> None:
    dataset = make_dataset(row=TWICE)
    client.force_login(dataset.owner)
    page = client.post(f"/datasets/{dataset.pk}/convert", {"to": "prompt_completion", "try": "1"}).content.decode()
    assert "Of each chat only the last answer is learnt" in page
    assert page.count('aria-label="After"') == 3
    assert Dataset.objects.count() == 1


def test_what_cannot_be_tried_is_said_where_it_is_seen(client: Any) -> None:
    dataset = make_dataset(row=TWICE)
    client.force_login(dataset.owner)
    asked = {"to": "text", "model": "house/nobody", "try": "1"}
    answer = client.post(f"/datasets/{dataset.pk}/convert", asked, headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Retarget"], answer["HX-Reselect"]) == (422, "#main", "#main")
    assert "house/nobody" in answer.content.decode()
    assert client.post(f"/datasets/{dataset.pk}/convert", asked).status_code == 400


def test_the_page_offers_models_that_have_a_template(client: Any) -> None:
    make_model()
    dataset = make_dataset(row=TWICE)
    client.force_login(dataset.owner)
    assert "<option>house/tiny-chat</option>" in client.get(dataset.get_absolute_url()).content.decode()
