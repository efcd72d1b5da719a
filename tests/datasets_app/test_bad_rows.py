"""Every reason for a bad row: found where it is, silent where it is not."""

from __future__ import annotations

import pytest

from datasets_app.reading import MAX_ROW_BYTES, REASONS

from .conftest import Read

CHAT = b'{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]}'
TURNS = b'{"prompt": [{"role": "user", "content": "Hi"}], "completion": [{"role": "assistant", "content": "Ahoy"}]}'
PAIR = b'{"prompt": "Hi", "completion": "Ahoy"}'
CHOICE = b'{"prompt": "Hi", "chosen": "Ahoy", "rejected": "Hello"}'
TEXT = b'{"text": "Ahoy"}'
SHAREGPT = b'{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ahoy"}]}'
ALPACA = b'{"instruction": "Hi", "input": "", "output": "Ahoy"}'
QUESTION = b'{"question": "Hi", "answer": "Ahoy"}'
JUDGED = CHAT.replace(b"}]}", b'}], "kto_tag": true}')
KTO = b'{"prompt": "Hi", "completion": "Ahoy", "label": true}'

BAD = [
    ("broken-json", TEXT, b'{"text": "Ahoy"'),
    ("broken-json", TEXT, b'{"text": "Ahoy"} {"text": "Ahoy"}'),
    ("broken-json", TEXT, b"{'text': 'Ahoy'}"),
    ("broken-json", TEXT, b'{"text": "Ahoy",}'),
    ("broken-json", TEXT, b'{"text": "Ah\x00oy"}'),
    ("broken-json", TEXT, b"\x00\x00\x00"),
    ("broken-json", TEXT, b"plain words"),
    ("broken-json", TEXT, b'{"text": Ahoy}'),
    ("not-utf-8", TEXT, b'{"text": "Ah\xffoy"}'),
    ("not-utf-8", TEXT, b'{"text": "caf\xc3\xa9, caf\xe9"}'),
    ("not-utf-8", TEXT, b'{"text": "\xed\xa0\x80"}'),
    ("not-a-number", TEXT, b'{"text": NaN}'),
    ("not-a-number", TEXT, b'{"text": "Ahoy", "prompt": Infinity}'),
    ("not-a-number", TEXT, b'{"text": "Ahoy", "prompt": [1, -Infinity]}'),
    ("lone-surrogate", TEXT, b'{"text": "\\ud83d"}'),
    ("lone-surrogate", TEXT, b'{"text": "\\ud83d and more"}'),
    ("lone-surrogate", TEXT, b'{"text": "\\ude00"}'),
    ("too-long", TEXT, b'{"text": "' + b"a" * (2 * MAX_ROW_BYTES) + b'"}'),
    ("too-deep", TEXT, b'{"text": "Ahoy", "tree": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    ("not-an-object", TEXT, b"[1, 2]"),
    ("not-an-object", TEXT, b'"Ahoy"'),
    ("not-an-object", TEXT, b"null"),
    ("not-an-object", TEXT, b"42"),
    ("missing-field", TEXT, b'{"Text": "Ahoy"}'),
    ("missing-field", TEXT, b"{}"),
    ("other-layout", CHAT, b'{"text": "Ahoy"}'),
    ("other-layout", CHAT, PAIR),
    ("other-layout", TEXT, CHAT),
    ("other-layout", PAIR, b'{"instruction": "Hi", "input": "", "output": "Ahoy"}'),
    ("missing-field", CHAT, b'{"txt": "Ahoy"}'),
    ("missing-field", CHAT, b'{"messages": [{"role": "user"}]}'),
    ("missing-field", CHAT, b'{"messages": [{"from": "human"}]}'),
    ("missing-field", SHAREGPT, b'{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt"}]}'),
    ("missing-field", ALPACA, b'{"instruction": "Hi"}'),
    ("missing-field", QUESTION, b'{"question": "Hi"}'),
    ("null-content", ALPACA, b'{"instruction": "Hi", "output": null}'),
    ("null-content", SHAREGPT, b'{"conversations": [{"from": "human", "value": null}]}'),
    ("wrong-type", ALPACA, b'{"instruction": "Hi", "output": 4}'),
    ("wrong-type", ALPACA, b'{"instruction": "Hi", "output": "Ahoy", "history": [["Hi"]]}'),
    ("no-prompt", ALPACA, b'{"instruction": " ", "input": "", "output": "Ahoy"}'),
    ("empty-answer", QUESTION, b'{"question": "Hi", "answer": ""}'),
    ("unknown-role", SHAREGPT, b'{"conversations": [{"from": "narrator", "value": "Hi"}]}'),
    ("other-layout", KTO, b'{"prompt": "Hi", "completion": "Ahoy", "label": "maybe"}'),
    ("no-label", JUDGED, JUDGED.replace(b"true", b'"maybe"')),
    ("no-prompt", JUDGED, b'{"messages": [{"role": "assistant", "content": "Ahoy"}], "kto_tag": true}'),
    ("missing-field", PAIR, b'{"prompt": "Hi"}'),
    ("missing-field", CHOICE, b'{"prompt": "Hi", "chosen": "Ahoy"}'),
    ("missing-field", CHOICE, b'{"prompt": "Hi", "rejected": "Hello"}'),
    ("null-content", TEXT, b'{"text": null}'),
    ("null-content", CHAT, b'{"messages": null}'),
    ("null-content", CHAT, b'{"messages": [{"role": "user", "content": null}]}'),
    ("null-content", CHAT, b'{"messages": [{"role": null, "content": "Hi"}]}'),
    ("null-content", PAIR, b'{"prompt": "Hi", "completion": null}'),
    ("null-content", CHOICE, b'{"prompt": "Hi", "chosen": "Ahoy", "rejected": null}'),
    ("wrong-type", TEXT, b'{"text": 5}'),
    ("wrong-type", TEXT, b"1e999"),
    ("wrong-type", TEXT, b'{"text": true}'),
    ("wrong-type", TEXT, b'{"text": {"value": "Ahoy"}}'),
    ("wrong-type", CHAT, b'{"messages": "Hi"}'),
    ("empty-conversation", CHAT, b'{"messages": "[]"}'),
    ("wrong-type", CHAT, b'{"messages": {"role": "user", "content": "Hi"}}'),
    ("wrong-type", CHAT, b'{"messages": ["Hi"]}'),
    ("wrong-type", CHAT, b'{"messages": [["Hi"]]}'),
    ("wrong-type", CHAT, b'{"messages": [{"role": 1, "content": "Hi"}]}'),
    ("wrong-type", CHOICE, b'{"prompt": "Hi", "chosen": 1, "rejected": 2}'),
    ("list-for-text", TEXT, b'{"text": ["Ahoy"]}'),
    ("list-for-text", CHAT, b'{"messages": [{"role": "user", "content": [["Hi"]]}]}'),
    ("not-text", CHAT, b'{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}'),
    ("mixed-kinds", PAIR, b'{"prompt": "Hi", "completion": [{"role": "assistant", "content": "Ahoy"}]}'),
    ("mixed-kinds", PAIR, TURNS),
    ("mixed-kinds", TURNS, PAIR),
    ("mixed-kinds", CHOICE, b'{"prompt": "Hi", "chosen": ["Ahoy"], "rejected": ["Hello"]}'),
    ("unknown-role", CHAT, b'{"messages": [{"role": "asistant", "content": "Hi"}]}'),
    ("unknown-role", CHAT, b'{"messages": [{"role": "", "content": "Hi"}]}'),
    ("unknown-role", TURNS, b'{"prompt": [{"role": "critic", "content": "Hi"}], "completion": []}'),
    ("no-assistant-turn", CHAT, b'{"messages": [{"role": "user", "content": "Hi"}]}'),
    ("no-assistant-turn", TURNS, TURNS.replace(b"assistant", b"user")),
    ("empty-conversation", CHAT, b'{"messages": []}'),
    ("empty-conversation", TURNS, b'{"prompt": [], "completion": [{"role": "assistant", "content": "Ahoy"}]}'),
    ("empty-conversation", TURNS, b'{"prompt": [{"role": "user", "content": "Hi"}], "completion": []}'),
    ("empty-text", TEXT, b'{"text": ""}'),
    ("empty-text", TEXT, b'{"text": " \\n\\t "}'),
    ("empty-answer", CHAT, b'{"messages": [{"role": "assistant", "content": " "}]}'),
    ("empty-answer", PAIR, b'{"prompt": "Hi", "completion": ""}'),
    ("empty-answer", CHOICE, b'{"prompt": "Hi", "chosen": "", "rejected": "Hello"}'),
    ("empty-answer", CHOICE, b'{"prompt": "Hi", "chosen": "Ahoy", "rejected": " "}'),
    ("unanswered", TURNS, b'{"prompt": [{"role": "user", "content": "Hi"}], "completion": '
                          b'[{"role": "assistant", "content": "Ahoy"}, {"role": "user", "content": "Bye"}]}'),
    ("no-prompt", CHOICE, b'{"prompt": "", "chosen": "Ahoy", "rejected": "Hello"}'),
    ("no-prompt", CHOICE, b'{"chosen": "Ahoy", "rejected": "Hello"}'),
    ("no-prompt", CHOICE, b'{"chosen": "Ahoy", "rejected": "Ahoy there"}'),
    ("tool-calls", CHAT, b'{"messages": [{"role": "assistant", "content": "Hm", "tool_calls": [{"id": "1"}]}]}'),
    ("tool-calls", CHAT, b'{"messages": [{"role": "assistant", "content": null, "tool_calls": ["look"]}]}'),
    ("tool-calls", CHAT, b'{"messages": [{"role": "assistant", "content": "", "tool_calls": '
                         b'[{"function": {"name": "look", "arguments": "left"}}]}]}'),
    ("tool-calls", SHAREGPT, b'{"conversations": [{"from": "function_call", "value": "look"}]}'),
    ("broken-tools", CHAT, b'{"messages": [{"role": "assistant", "content": "Ahoy"}], "tools": "look"}'),
    ("broken-tools", CHAT, CHAT.replace(b"}]}", b'}], "tools": [{"type": "function"}]}')),
    ("wrong-weight", CHAT, b'{"messages": [{"role": "assistant", "content": "Ahoy", "weight": 0.5}]}'),
    ("no-weight", CHAT, b'{"messages": [{"role": "assistant", "content": "Ahoy", "weight": 0}]}'),
    ("prompt-repeated", TURNS, b'{"prompt": [{"role": "user", "content": "Hi"}], "completion": '
                               b'[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]}'),
]  # fmt: skip


@pytest.mark.parametrize(("code", "good", "bad"), BAD)
def test_a_bad_row_among_good_ones_is_found_with_line_row_and_reason(
    read: Read, code: str, good: bytes, bad: bytes
) -> None:
    reading = read(b"\n".join([good, good, b"", bad, good]) + b"\n")
    assert [(each.line, each.row, each.code) for each in reading.problems.listed] == [(4, 3, code)]
    assert (reading.rows, reading.bad_rows) == (4, 1)


@pytest.mark.parametrize(("code", "good", "bad"), [each for each in BAD if each[2].count(b"{") == each[2].count(b"}")])
def test_the_same_row_is_found_in_a_json_list(read: Read, code: str, good: bytes, bad: bytes) -> None:
    reading = read(b"[\n" + b",\n".join([good, good, bad, good]) + b"\n]")
    assert [(each.line, each.row, each.code) for each in reading.problems.listed] == [(4, 3, code)]
    assert (reading.rows, reading.bad_rows) == (4, 1)


def test_the_zoo_shows_every_reason() -> None:
    assert {code for code, _, _ in BAD} | {"cut-off"} | OF_TABLES == set(REASONS)


OF_TABLES = {"ragged", "open-quote"}  # see zoo.py


@pytest.mark.parametrize(
    "good",
    [
        CHAT,
        TURNS,
        PAIR,
        CHOICE,
        TEXT,
        b' {"text": "Ahoy"} \r',
        b'{"text": "\\ud83d\\ude00 \xf0\x9f\x98\x80"}',
        b'{"text": "a\\u0000b"}',
        b'{"text": "old", "text": "new"}',
        b'{"text": "Ahoy", "id": 1e99999, "huge": 1' + b"0" * 400 + b"}",
        b'{"text": "Ahoy", "label": null, "meta": {"deep": [[[[1]]]]}, "labels": [1]}',
        b'{"text": "Ahoy", "broken": "\\"}{][,"}',
        b"{" + b",".join(b'"c%d": 0' % number for number in range(100_000)) + b', "text": "Ahoy"}',
        b'{"messages": [{"role": "system", "content": ""}, {"role": "assistant", "content": "Ahoy", "weight": 1}]}',
        b'{"messages": [{"role": "tool", "content": "4"}, {"role": "assistant", "content": "4", "tool_calls": []}]}',
        b'{"messages": [{"role": "assistant", "content": "4", "tool_calls": null}], "text": null}',
        b'{"prompt": "", "completion": "Ahoy"}',
        b'{"prompt": "Hi", "chosen": "Ahoy", "rejected": "Ahoy"}',
    ],
)
def test_a_row_that_can_be_trained_is_no_problem(read: Read, good: bytes) -> None:
    reading = read(good + b"\n")
    assert not reading.problems.listed
    assert reading.rows == 1
    assert reading.shape.format != "unknown"


def test_the_first_hundred_are_listed_and_all_are_counted(read: Read) -> None:
    reading = read(TEXT + b"\n" + b'{"text": 5}\n' * 130 + b"{\n" * 20)
    assert len(reading.problems.listed) == 100
    assert reading.bad_rows == 150
    assert reading.stats["bad_rows_by_code"] == {"wrong-type": 130, "broken-json": 20}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            b'{"messages": [{"role": "user", "content": "Hi"}, {"role": "asistant", "content": "Hi"}]}',
            "The role of turn 2 in messages is 'asistant', which templates drop or misprint. "
            "Use system, user, assistant or tool.",
        ),
        (
            b'{"messages": [{"role": "user", "content": null}]}',
            "The content of turn 1 in messages is null. Give it a value or remove the row.",
        ),
        (b'{"message": []}', "The row has no 'messages'; it has message."),
        (b"{\"messages\": [}", "The JSON of this row is broken at its byte 15: invalid character."),
        (b'{"messages": 5}', "'messages' is a number, but must be a list."),
    ],
)  # fmt: skip
def test_a_message_says_what_is_wrong_and_where(read: Read, bad: bytes, message: str) -> None:
    assert read(CHAT + b"\n" + bad).problems.listed[0].message == message


def test_messages_can_be_stored_in_any_database(read: Read) -> None:
    bad = CHAT.replace(b'"user"', b'"\\u0000' + b"x" * 500 + b'"')
    message = read(CHAT + b"\n" + bad).problems.listed[0].message
    assert "\0" not in message
    assert len(message) < 300
