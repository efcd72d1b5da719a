"""Which format a file has, and what of its rows is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datasets_app.reading import good_rows, read_file

from .conftest import Read

TURN = b'{"role": "assistant", "content": "Ahoy"}'
USER = b'{"role": "user", "content": "Hi"}'
HI = {"role": "user", "content": "Hi"}
AHOY = {"role": "assistant", "content": "Ahoy"}
HELLO = {"role": "assistant", "content": "Hello"}


@pytest.mark.parametrize(
    ("row", "format", "conversational"),
    [
        (b'{"messages": [%s]}' % TURN, "messages", True),
        (b'{"text": "a"}', "text", False),
        (b'{"prompt": "a", "completion": "b"}', "prompt_completion", False),
        (b'{"prompt": [%s], "completion": [%s]}' % (USER, TURN), "prompt_completion", True),
        (b'{"prompt": "a", "chosen": "b", "rejected": "c"}', "preference", False),
        (b'{"prompt": [%s], "chosen": [%s], "rejected": [%s]}' % (USER, TURN, TURN), "preference", True),
        (b'{"text": "a", "prompt": "b"}', "text", False),
        (b'{"messages": [%s], "prompt": "b"}' % TURN, "messages", True),
        (b'{"prompt": "a", "chosen": "b", "rejected": "c", "messages": []}', "preference", False),
        (b'{"text": "a", "messages": null}', "text", False),
        (b'{"question": "a", "answer": "b"}', "prompt_completion", True),
        (b'{"question": "a", "answer": 4}', "unknown", False),
        (b'{"instruction": "a", "input": "", "output": "b"}', "prompt_completion", True),
        (b'{"conversations": [{"from": "human", "value": "Hi"}]}', "messages", True),
        (b'{"chosen": "a b", "rejected": "a c"}', "preference", False),
        (b'{"chosen": [%s, %s], "rejected": [%s, %s]}' % (USER, TURN, USER, TURN), "preference", True),
        (b'{"conversations": [], "chosen": {"value": "b"}, "rejected": {"value": "c"}}', "preference", True),
        (b'{"prompt": "a", "completion": "b", "label": false}', "unpaired_preference", False),
        (b'{"prompt": "a", "completion": "b", "label": 3}', "prompt_completion", False),
        (b'{"prompt": "a"}', "unknown", False),
        (b"{}", "unknown", False),
    ],
)
def test_a_format_is_known_by_its_columns(read: Read, row: bytes, format: str, conversational: bool) -> None:
    shape = read(row).shape
    assert (shape.format, shape.conversational) == (format, conversational)


def test_most_rows_decide_and_the_others_are_bad(read: Read) -> None:
    reading = read(b'{"text": "a"}\n' + b'{"messages": [%s]}\n' % TURN * 3)
    assert reading.shape.format == "messages"
    assert [(each.line, each.code) for each in reading.problems.listed] == [(1, "other-layout")]


def test_a_file_with_a_known_format_in_few_rows_still_has_that_format(read: Read) -> None:
    reading = read(b'{"text": "a"}\n' + b'{"txt": "a"}\n' * 5)
    assert (reading.shape.format, reading.rows, reading.bad_rows) == ("text", 6, 5)


def test_one_lucky_row_in_a_strange_file_gives_it_no_format(read: Read) -> None:
    reading = read(b'{"text": "a"}\n' + b'{"question": "a"}\n' * 20)
    assert (reading.shape.format, reading.rows, reading.bad_rows) == ("unknown", 21, 0)


def test_broken_lines_at_the_start_do_not_hide_the_format(read: Read) -> None:
    reading = read(b"{\n" * 1500 + b'{"text": "a"}\n' * 3)
    assert (reading.shape.format, reading.rows, reading.bad_rows) == ("text", 1503, 1500)


def test_columns_are_named_in_the_order_they_appear(read: Read) -> None:
    assert read(b'{"b": 1, "a": 2}\n{"c": 3, "a": 4}').shape.columns == ("b", "a", "c")


def test_names_of_columns_do_not_fill_the_memory(read: Read) -> None:
    rows = b"".join(b'{"%d%s": 1}\n' % (number, b"x" * 100_000) for number in range(200))
    columns = read(rows).shape.columns
    assert len(columns) == 100
    assert max(map(len, columns)) == 200


def test_a_text_prompt_with_answers_as_messages_becomes_a_turn(read: Read) -> None:
    reading = read(b'{"prompt": "Hi", "chosen": [%s], "rejected": [%s]}\n' % (TURN, TURN) * 3)
    assert (reading.shape.format, reading.bad_rows) == ("preference", 0)
    assert reading.preview[0] == {"prompt": [HI], "chosen": [AHOY], "rejected": [AHOY]}


def test_a_hundred_columns_are_named_at_most(read: Read) -> None:
    wide = b"{" + b",".join(b'"c%d": 0' % number for number in range(5000)) + b"}"
    assert len(read(wide).shape.columns) == 100


@pytest.mark.parametrize(
    ("row", "trained"),
    [
        (
            b'{"id": 1, "messages": [{"role": "assistant", "name": "Ann", "content": "Ahoy"}]}',
            {"messages": [{"role": "assistant", "content": "Ahoy", "name": "Ann"}]},
        ),
        (b'{"label": 1, "text": "a"}', {"text": "a"}),
        (b'{"completion": "b", "prompt": "a", "n": 1}', {"prompt": "a", "completion": "b"}),
        (
            b'{"prompt": "a", "chosen": "b", "rejected": "c", "n": 1}',
            {"prompt": "a", "chosen": "b", "rejected": "c"},
        ),
        (b'{"question": "a", "answer": 4}', {"question": "a", "answer": 4}),
    ],
)
def test_good_rows_hold_the_trained_columns_only(tmp_path: Path, row: bytes, trained: dict[str, object]) -> None:
    path = tmp_path / "rows"
    path.write_bytes(row)
    shape = read_file(path).shape
    assert list(good_rows(path, shape.format, shape.conversational)) == [trained]


def test_good_rows_leave_out_the_bad_ones(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b'{"text": "a"}\n{"text": ""}\n{\n{"text": "b"}\n')
    assert list(good_rows(path, "text", False)) == [{"text": "a"}, {"text": "b"}]


@pytest.mark.parametrize(
    ("chosen", "rejected", "parts"),
    [
        ("Hi? Ahoy", "Hi? Hello", ("Hi?", " Ahoy", " Hello")),
        ("Who is it? Anna", "Who is it? Anton", ("Who is it?", " Anna", " Anton")),
        ("Who?\nAnna", "Who?\nAnton", ("Who?", "\nAnna", "\nAnton")),
        ("Hi? Ahoy", "Hi? Ahoy", ("Hi?", " Ahoy", " Ahoy")),
        ([HI, AHOY], [HI, HELLO], ([HI], [AHOY], [HELLO])),
        ([HI, AHOY, HI, AHOY], [HI, AHOY, HI, HELLO], ([HI, AHOY, HI], [AHOY], [HELLO])),
        ([HI, AHOY], [HI, AHOY], ([HI], [AHOY], [AHOY])),
    ],
)
def test_a_prompt_that_both_answers_begin_with_is_cut_off(
    tmp_path: Path, chosen: Any, rejected: Any, parts: tuple[Any, Any, Any]
) -> None:
    path = tmp_path / "rows"
    path.write_text(json.dumps({"chosen": chosen, "rejected": rejected}))
    row = next(good_rows(path, "preference", isinstance(chosen, list)))
    assert (row["prompt"], row["chosen"], row["rejected"]) == parts


def test_answers_to_different_questions_have_no_common_prompt(read: Read) -> None:
    other = USER.replace(b"Hi", b"Bye")
    reading = read(b'{"chosen": [%s, %s], "rejected": [%s, %s]}' % (USER, TURN, other, TURN))
    assert [each.code for each in reading.problems.listed] == ["no-prompt"]
