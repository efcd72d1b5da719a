"""No bytes whatever crash the reader or make it lose count of rows."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets_app.preview import shown
from datasets_app.reading import REASONS, Unreadable, rows_of

from .conftest import Read
from .zoo import parquet, texts

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


CELLS = [b'"', b'""', b",", b";", b"\t", b"|", b"\n", b"\r\n", b"\r", b"a", b"\\", b"'", b"\x00", b"\xff", b"\xc3\xa9"]
plain_cells = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=6)


@FUZZ
@given(pieces=st.lists(st.sampled_from(CELLS), max_size=60))
def test_bytes_that_look_like_a_table(read: Read, pieces: list[bytes]) -> None:
    account(read, b"prompt,completion\na,b\nc,d\n" + b"".join(pieces))


@FUZZ
@given(table=st.lists(st.tuples(plain_cells, plain_cells), min_size=1, max_size=8), delimiter=st.sampled_from(",;\t|"))
def test_a_table_that_was_written_by_csv_keeps_its_rows(
    read: Read, tmp_path: Path, table: list[tuple[str, str]], delimiter: str
) -> None:
    sink = io.StringIO()
    writer = csv.writer(sink, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("prompt", "completion"), ("who", "I"), *table])
    read(sink.getvalue().encode())
    found = [json.loads(raw) for _, raw in rows_of(tmp_path / "rows")]
    assert [(row["prompt"], row["completion"]) for row in found] == [("who", "I"), *table]


PACKED = [gzip.compress(b'{"text": "a"}\n' * 30), zstd.compress(b"prompt,completion\n" + b"a,b\n" * 30)]


@FUZZ
@given(packed=st.sampled_from(PACKED), end=st.integers(0, 60), at=st.integers(0, 60), byte=st.integers(0, 255))
def test_packed_bytes_that_are_cut_or_changed(read: Read, packed: bytes, end: int, at: int, byte: int) -> None:
    broken = bytearray(packed)
    broken[at % len(broken)] = byte
    account(read, bytes(broken[: len(broken) - end]))


PARQUET = parquet(texts(60), row_group_size=20)


@FUZZ
@given(at=st.integers(0, len(PARQUET) - 1), change=st.binary(min_size=1, max_size=8))
def test_parquet_whose_bytes_were_changed(read: Read, at: int, change: bytes) -> None:
    account(read, PARQUET[:at] + change + PARQUET[at + len(change) :])


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
