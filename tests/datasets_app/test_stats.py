"""What the good rows add up to."""

from __future__ import annotations

import json

import pytest

from .conftest import Read


def chat(*contents: str) -> bytes:
    turns = [
        {"role": role, "content": content} for role, content in zip(("user", "assistant") * 9, contents, strict=False)
    ]
    return json.dumps({"messages": turns}).encode() + b"\n"


def test_lengths_turns_and_roles_of_a_chat(read: Read) -> None:
    stats = read(chat("12", "345") + chat("1", "2", "3", "4") + b'{"messages": []}\n').stats
    assert stats["length"] == {"average": 4.5, "shortest": 4, "longest": 5}
    assert stats["turns"] == {"average": 3.0, "fewest": 2, "most": 4}
    assert stats["roles"] == {"user": 3, "assistant": 3}


def test_a_text_has_neither_turns_nor_roles(read: Read) -> None:
    stats = read(b'{"text": "abc"}').stats
    assert stats["length"]["average"] == 3
    assert "turns" not in stats
    assert "roles" not in stats


def test_a_file_without_rows_has_stats_too(read: Read) -> None:
    assert read(b"[]").stats["length"] == {"average": 0, "shortest": 0, "longest": 0}


def test_the_token_ceiling_counts_bytes_and_room_for_the_template(read: Read) -> None:
    assert read(b'{"text": "abc"}').stats["token_ceiling"] == 3 + 64
    assert read('{"text": "äöü"}'.encode()).stats["token_ceiling"] == 6 + 64
    assert read(b'{"text": "\\u00e4"}').stats["token_ceiling"] == 2 + 64
    assert read(chat("Hi", "Ahoy") + chat("H", "Aho")).stats["token_ceiling"] == 6 + 2 * 16 + 64


def test_a_preference_row_is_as_long_as_its_longer_side(read: Read) -> None:
    stats = read(b'{"prompt": "12", "chosen": "345", "rejected": "6789"}').stats
    assert stats["length"]["longest"] == 6
    assert stats["token_ceiling"] == 6 + 64


def test_equal_answers_are_counted_and_stay_good(read: Read) -> None:
    row = b'{"prompt": "a", "chosen": "%s", "rejected": "c"}\n'
    reading = read(row % b"b" + row % b"c" + row % b"c")
    assert (reading.stats["equal_pairs"], reading.bad_rows) == (2, 0)


def test_the_preview_holds_the_first_five_good_rows(read: Read) -> None:
    reading = read(b'{"text": ""}\n' + b"".join(b'{"text": "%d"}\n' % number for number in range(9)))
    assert [row["text"] for row in reading.preview] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("roles", "unalternating"),
    [
        (["user", "assistant", "user", "assistant"], 0),
        (["system", "user", "assistant", "user", "tool", "assistant"], 0),
        (["user", "assistant", "user"], 0),
        (["assistant"], 1),
        (["user", "system", "assistant"], 1),
        (["system", "system", "user", "assistant"], 1),
        (["user", "assistant", "assistant"], 1),
    ],
)
def test_rows_whose_turns_do_not_alternate_are_counted(read: Read, roles: list[str], unalternating: int) -> None:
    turns = [{"role": role, "content": "Ahoy"} for role in roles]
    assert read(json.dumps({"messages": turns}).encode()).stats["unalternating"] == unalternating


@pytest.mark.parametrize(("last", "unalternating"), [("user", 0), ("assistant", 1)])
def test_turns_alternate_across_prompt_and_answers(read: Read, last: str, unalternating: int) -> None:
    answer = [{"role": "assistant", "content": "Ahoy"}]
    row = {"prompt": [{"role": last, "content": "Hi"}], "chosen": answer, "rejected": answer}
    assert read(json.dumps(row).encode()).stats["unalternating"] == unalternating


def turn(role: str, content: str = "Ahoy") -> dict[str, str]:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("turns", "shapes"),
    [
        ([turn("system"), turn("user"), turn("assistant")], set()),
        ([turn("user"), turn("assistant"), turn("tool"), turn("assistant")], {"no-system"}),
        ([turn("system"), turn("user"), turn("assistant"), turn("user"), turn("assistant")], {"many-exchanges"}),
        ([turn("system"), turn("system"), turn("user"), turn("assistant")], {"two-systems"}),
        ([turn("user"), turn("system"), turn("assistant")], {"late-system"}),
        ([turn("system"), turn("user"), turn("user"), turn("assistant")], {"two-users", "many-exchanges"}),
        ([turn("system"), turn("user"), turn("assistant"), turn("assistant")], {"two-assistants"}),
        ([turn("system"), turn("assistant")], {"no-user", "starts-with-assistant"}),
        ([turn("system"), turn("assistant"), turn("user")], {"starts-with-assistant", "ends-unanswered"}),
        ([turn("system", ""), turn("user", ""), turn("assistant")], {"empty-system", "empty-user"}),
        ([turn("system"), turn("user"), turn("assistant"), turn("tool", "")], {"empty-tool", "ends-unanswered"}),
        ([turn("system"), turn("user"), turn("assistant", "<think>so</think>Ahoy")], {"reasoning-last"}),
        ([turn("system"), turn("user", "what is </think>?"), turn("assistant")], set()),
        ([turn("system"), turn("user", "is 1<2?"), turn("assistant")], set()),
        (
            [turn("system"), turn("user"), turn("assistant", "so</think>Ahoy"), turn("user"), turn("assistant")],
            {"reasoning-early", "many-exchanges"},
        ),
    ],
)
def test_rows_are_counted_by_what_templates_stumble_on(read: Read, turns: list[object], shapes: set[str]) -> None:
    assert read(json.dumps({"messages": turns}).encode()).stats["shapes"] == dict.fromkeys(sorted(shapes), 1)


def test_a_preference_row_counts_once_for_its_two_conversations(read: Read) -> None:
    longer = [turn("assistant"), turn("user"), turn("assistant")]
    row = {"prompt": [turn("user")], "chosen": [turn("assistant")], "rejected": longer}
    assert read((json.dumps(row) + "\n").encode() * 3).stats["shapes"] == {"many-exchanges": 3, "no-system": 3}


def test_a_text_is_of_no_kind(read: Read) -> None:
    assert read(b'{"text": "abc"}').stats["shapes"] == {}


def test_kinds_are_counted_however_many_orders_there_are(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets_app.reading.tally.ORDERS_HELD", 2)
    rows = [json.dumps({"messages": [turn("user"), turn("assistant")] * count}).encode() for count in (1, 2, 3, 4, 1)]
    stats = read(b"\n".join(rows)).stats
    assert stats["shapes"] == {"many-exchanges": 3, "no-system": 5}
