"""What each repair does to a row: it takes away, joins or renames, and makes up nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from datasets_app.repairs import BAD, ODD, mended, odd

USER, AI = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}


def chat(*turns: Any) -> dict[str, Any]:
    return {"messages": list(turns)}


@pytest.mark.parametrize(
    ("code", "row", "repaired", "done"),
    [
        ("null-content", chat(USER, {"role": "user", "content": None}, AI), chat(USER, AI), "Took out 1 turn without"),
        ("missing-field", chat(USER, AI, {"role": "user"}), chat(USER, AI), "Took out 1 turn without content."),
        ("wrong-type", {"text": 5, "id": 7}, {"text": "5", "id": 7}, "Wrote 1 number as text."),
        ("wrong-type", chat({"role": "user", "content": 5}, AI), chat({"role": "user", "content": "5"}, AI), "Wrote 1"),
        (
            "mixed-kinds",
            {"prompt": "Hi", "completion": "Ahoy"},
            {"prompt": [USER], "completion": [AI]},
            "Wrote prompt and completion as a list of messages.",
        ),
        (
            "empty-answer",
            chat(USER, AI, USER, {"role": "assistant", "content": " "}),
            chat(USER, AI),
            "Took out 1 turn of the assistant that said nothing. Took 1 turn off the end, which nobody answers.",
        ),
        ("unanswered", {"prompt": [USER], "chosen": [AI, USER]}, {"prompt": [USER], "chosen": [AI]}, "Took 1 turn off"),
        (
            "prompt-repeated",
            {"prompt": [USER], "completion": [USER, AI]},
            {"prompt": [USER], "completion": [AI]},
            "Took the prompt's messages out of completion.",
        ),
    ],
)
def test_a_bad_row_is_repaired(code: str, row: dict[str, Any], repaired: dict[str, Any], done: str) -> None:
    result = mended(code, json.dumps(row).encode())
    assert result is not None
    assert json.loads(result[0]) == repaired
    assert result[1].startswith(done)


@pytest.mark.parametrize(
    ("code", "row"),
    [
        ("null-content", {"text": None}),
        ("wrong-type", {"text": 5.5}),
        ("wrong-type", {"text": True}),
        ("empty-text", {"text": " "}),
        ("no-assistant-turn", chat(USER)),
        ("broken-tools", chat(USER, AI)),
    ],
)
def test_what_cannot_be_repaired_without_making_something_up_is_left(code: str, row: dict[str, Any]) -> None:
    assert code not in BAD or mended(code, json.dumps(row).encode()) is None


def test_half_characters_go_and_whole_ones_stay() -> None:
    raw = rb'{"text": "a\ud83d b \ud83d\ude00 c\udc00 \\ud83d d"}'
    repaired, done = mended("lone-surrogate", raw) or (b"", "")
    assert json.loads(repaired) == {"text": "a b 😀 c \\ud83d d"}
    assert done == "Took out 2 half characters."


@pytest.mark.parametrize(
    ("code", "row", "better", "done"),
    [
        ("outer-blanks", {"text": " Ahoy\n"}, {"text": "Ahoy"}, "Took blanks off the ends of 1 text."),
        ("outer-blanks", chat(USER, {**AI, "content": "Ahoy "}), chat(USER, AI), "Took blanks off"),
        ("control-characters", {"text": "A\x00h\x07oy\n\t"}, {"text": "Ahoy\n\t"}, "Took out 2 control characters."),
        ("open-end", chat(USER, AI, USER, USER), chat(USER, AI), "Took 2 turns off the end, which nobody answers."),
        (
            "same-role",
            chat(USER, USER, AI, AI),
            chat({"role": "user", "content": "Hi\n\nHi"}, {"role": "assistant", "content": "Ahoy\n\nAhoy"}),
            "Joined 2 turns",
        ),
        (
            "other-roles",
            {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ahoy"}]},
            {"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Ahoy"}]},
            "Role “human” became “user”, “gpt” became “assistant”.",
        ),
    ],
)
def test_a_good_row_is_made_better(code: str, row: dict[str, Any], better: dict[str, Any], done: str) -> None:
    assert odd(code, row).startswith(done)
    assert row == better


CLEAN = [
    chat(USER, AI),
    {"text": "Ahoy"},
    {"prompt": "Hi", "completion": " Ahoy"},
    {"prompt": [USER], "chosen": [AI], "rejected": [AI]},
    chat(USER, {**AI, "name": "a"}, AI),
    chat(USER, {"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}, AI),
]


@pytest.mark.parametrize("row", CLEAN)
@pytest.mark.parametrize("code", [code for code, fault in ODD.items() if fault.mends])
def test_what_is_in_order_stays_as_it_is(code: str, row: dict[str, Any]) -> None:
    before = json.dumps(row)
    assert odd(code, row) == ""
    assert json.dumps(row) == before
