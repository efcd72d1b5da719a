"""No bytes whatever crash the reader or make it lose count of rows."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets_app.preview import shown
from datasets_app.reading import REASONS, Unreadable

from .conftest import Read

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = [
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\n", b"\r", b" ", b"\x00", b"\xff", b"\xef\xbb\xbf", b"null",
    b"NaN", b"-Infinity", b"1e999", b"\\ud800", b'"text"', b'"messages"', b'"role"', b'"content"', b'"assistant"',
    b'"prompt"', b'"chosen"', b'"rejected"', b'"completion"', b'{"text":"a"}', b'{"text":5}', b'{"tool_calls":[{}]}',
    b'{"messages":[{"role":"assistant","content":"a"}]}', b'{"prompt":"a","completion":"b"}',
]  # fmt: skip
names = st.sampled_from(
    ["text", "messages", "prompt", "completion", "chosen", "rejected", "role", "content", "tool_calls"]
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["user", "assistant"])
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=8
)
rows = st.lists(values | st.dictionaries(names, values, max_size=4), max_size=6)


def account(read: Read, content: bytes) -> None:
    try:
        reading = read(content)
    except Unreadable as refusal:
        assert refusal.code and str(refusal).endswith(".")
        return
    assert 0 <= reading.bad_rows <= reading.rows
    assert reading.tally.rows == reading.rows - reading.bad_rows
    assert set(reading.problems.counts) <= set(REASONS)
    assert [each.row for each in reading.problems.listed] == sorted({each.row for each in reading.problems.listed})
    stored = json.dumps([reading.stats, [shown(row) for row in reading.preview], list(reading.shape.columns)])
    assert "\\u0000" not in stored


@FUZZ
@given(content=st.binary(max_size=200))
def test_any_bytes(read: Read, content: bytes) -> None:
    account(read, content)


@FUZZ
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=40))
def test_bytes_that_look_like_json(read: Read, pieces: list[bytes]) -> None:
    account(read, b"".join(pieces))


@FUZZ
@given(rows=rows)
def test_rows_of_any_shape(read: Read, rows: list[Any]) -> None:
    lines = [json.dumps(row).encode() for row in rows]
    account(read, b"\n".join(lines))
    account(read, b"[" + b",".join(lines) + b"]")


@FUZZ
@given(columns=st.dictionaries(names, st.lists(values, max_size=4), min_size=1, max_size=3))
def test_objects_of_lists(read: Read, columns: dict[str, Any]) -> None:
    account(read, json.dumps(columns).encode())


@FUZZ
@given(rows=rows)
def test_lines_and_list_give_the_same_count(read: Read, rows: list[Any]) -> None:
    lines = [b'{"text": "first"}', *(json.dumps(row).encode() for row in rows)]
    as_list, as_lines = read(b"[" + b",\n".join(lines) + b"]"), read(b"\n".join(lines))
    assert as_list.rows == as_lines.rows == len(lines)
    assert as_list.problems.listed == as_lines.problems.listed
    assert as_list.stats == as_lines.stats
