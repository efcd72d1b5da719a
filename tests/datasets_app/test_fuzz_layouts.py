"""Rows with the names that layouts know, and anything whatever under them: never a crash, and every row is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets_app.reading import choose_telling_rows, good_rows, read_file
from datasets_app.reading.mapping import PURPOSES, Plan, Unfit
from datasets_app.reading.problems import BadRow

COLUMNS = (
    "messages", "conversations", "tools", "functions", "system", "prompt", "completion", "chosen", "rejected", "label",
    "kto_tag", "instruction", "input", "output", "history", "question", "answer", "text", "preferred_output",
    "non_preferred_output", "context",
)  # fmt: skip
KEYS = ("role", "from", "content", "value", "tool_calls", "function_call", "name", "weight", "tool_call_id", "type",
        "text", "function", "arguments", "messages", "tools")  # fmt: skip
words = st.sampled_from(
    ["", " ", "user", "human", "assistant", "gpt", "tool", "function_call", "system", "Hi", "[]", "{}", "[1]", "1"]
)
leaves = st.none() | st.booleans() | st.integers(-2, 2) | st.floats(allow_nan=False, allow_infinity=False) | words
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
turns = st.fixed_dictionaries(
    {"role": words, "content": values}, optional={key: values for key in KEYS if key not in ("role", "content")}
)
sides = values | st.lists(turns, max_size=3) | words
rows = st.dictionaries(st.sampled_from(COLUMNS), sides, max_size=5)
LAST = {"id": 1}
"""Of a file with one row only, it could be that its lists are columns."""
FAST = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@FAST
@given(st.lists(rows, min_size=1, max_size=4))
def test_whatever_stands_in_known_columns_every_row_is_counted(tmp_path: Path, given_rows: list[Any]) -> None:
    path = tmp_path / "rows"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*given_rows, LAST]))
    reading, shape = read_file(path), read_file(path).shape
    good = list(good_rows(path, shape.format, shape.conversational, shape.layout))
    assert reading.rows == len(given_rows) + 1
    assert len(good) == reading.rows - reading.bad_rows == reading.tally.rows
    assert all(each["rows"] >= 0 for each in reading.mixture)
    json.dumps([reading.stats, reading.mixture, [problem.as_dict() for problem in reading.problems.listed]])
    choose_telling_rows(path, shape.format, shape.conversational, "seed", shape.layout)


@FAST
@given(st.lists(rows, min_size=1, max_size=3))
def test_a_good_row_written_down_is_a_good_row_again(tmp_path: Path, given_rows: list[Any]) -> None:
    path = tmp_path / "rows"
    path.write_text("".join(json.dumps(row) + "\n" for row in given_rows))
    shape = read_file(path).shape
    if shape.format == "unknown":
        return
    good = list(good_rows(path, shape.format, shape.conversational, shape.layout))
    path.write_text("".join(json.dumps(row) + "\n" for row in good))
    assert list(good_rows(path, shape.format, shape.conversational)) == good


plans = st.lists(st.tuples(st.sampled_from(COLUMNS), st.sampled_from(list(PURPOSES))), max_size=4)


@FAST
@given(plans, rows, words, st.booleans())
def test_any_plan_makes_a_row_or_says_why_not(columns: Any, row: Any, system: str, chat: bool) -> None:
    listed = [{"column": column, "purpose": purpose} for column, purpose in columns]
    try:
        made = Plan.of({"columns": listed, "system": system, "chat": chat}).row(json.dumps(row).encode())
    except (Unfit, BadRow) as reason:
        assert str(reason)
    else:
        assert made
