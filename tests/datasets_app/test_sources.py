"""Files are cut into rows the same way whatever they look like, and never held whole."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from datasets_app.reading import MAX_ROW_BYTES, read_file, streams
from datasets_app.reading.sources import rows_of

from .conftest import Read


def rows(path: Path, content: bytes) -> list[tuple[int, bytes]]:
    path.write_bytes(content)
    return [(line, raw.removesuffix(b"\n")) for line, raw in rows_of(path)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b" \n\n\t\n", []),
        (b"a\nb", [(1, b"a"), (2, b"b")]),
        (b"a\n\n  \nb\n", [(1, b"a"), (4, b"b")]),
        (b"a\r\nb\r\n", [(1, b"a\r"), (2, b"b\r")]),
        (b"\xef\xbb\xbfa\n", [(1, b"a")]),
        (b"[]", []),
        (b" \n [ ] ", []),
        (b"\xef\xbb\xbf[1]", [(1, b"1")]),
        (b"\n" * 9 + b"[1,\n2]", [(10, b"1"), (11, b"2")]),
        (b"[1,2, 3 ]", [(1, b"1"), (1, b"2"), (1, b"3 ")]),
        (b"[1,]", [(1, b"1")]),
        (b"[1,,2]", [(1, b"1"), (1, b""), (1, b"2")]),
        (b"[\n{\n},\n\n{}]", [(2, b"{\n}"), (5, b"{}")]),
        (b'["a]", "\\"]", "\\\\"]', [(1, b'"a]"'), (1, b'"\\"]"'), (1, b'"\\\\"')]),
        (b"[[1,2],{}]", [(1, b"[1,2]"), (1, b"{}")]),
        (b"[{}},{}]", [(1, b"{}}"), (1, b"{}")]),
        (b"[1]\n\n{}\n[2]", [(1, b"1"), (3, b"{}"), (4, b"[2]")]),
        (b"[1] x", [(1, b"1"), (1, b" x")]),
    ],
)
def test_rows_come_with_the_line_they_begin_on(path: Path, content: bytes, expected: list[tuple[int, bytes]]) -> None:
    assert rows(path, content) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_where_a_chunk_ends_makes_no_difference(path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    content = b'[\n{"a": "x\\"]\\\\"},\n [1, {"b": "]"}], "\\\\",\n\n{"c": {}}]\n{"d": 1}\n\nend'
    whole = rows(path, content)
    monkeypatch.setattr(streams, "CHUNK", size)
    assert rows(path, content) == whole
    assert [line for line, _ in whole] == [2, 3, 3, 5, 6, 8]


def test_a_list_that_is_never_closed_is_one_problem_more(read: Read) -> None:
    reading = read(b'[{"text": "a"},\n{"text": "b"},\n{"text": "c')
    assert (reading.rows, reading.bad_rows) == (3, 1)
    assert reading.problems.listed[0].code == "cut-off"


def test_a_chunk_of_a_text_that_is_too_long_is_not_taken_for_rows(read: Read) -> None:
    endless = b'{"text": "' + b'a\\"]},{[ ' * (MAX_ROW_BYTES // 4) + b'"}'
    reading = read(b'[{"text": "a"},\n' + endless + b',\n{"text": "b"}]')
    assert [(each.line, each.code) for each in reading.problems.listed] == [(2, "too-long")]
    assert reading.rows == 3


def test_rows_of_any_length_are_read_in_bounded_memory(path: Path) -> None:
    line = b'{"text": "' + b"a" * 1_000_000 + b'"}\n'
    with path.open("wb") as file:
        file.write(b'{"text": "' + b"a" * 40_000_000 + b'"}\n')
        file.writelines(line for _ in range(20))
    tracemalloc.start()
    reading = read_file(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (reading.rows, reading.bad_rows) == (21, 1)
    assert peak < 20_000_000


def test_progress_ends_at_the_size_of_the_file(path: Path) -> None:
    path.write_bytes(b'{"text": "a"}\n' * 100_000)
    heard: list[int] = []
    read_file(path, heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == path.stat().st_size
    assert len(heard) > 3


SIDEWAYS = b'{\n "text": ["a", "b]}",\n"c"], "n\\"": [1, [2, "]"]]\n}\n'


@pytest.mark.parametrize("size", [1, 2, 7, 64, 4096])
def test_an_object_of_lists_holds_one_row_an_element(path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(streams, "CHUNK", size)
    assert rows(path, SIDEWAYS) == [
        (2, b'{"text": "a", "n\\"": 1}'),
        (2, b'{"text": "b]}", "n\\"": [2, "]"]}'),
        (3, b'{"text": "c"}'),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b'{"text": ["a"]}\n{"text": ["b"]}',
        b'{"text": ["a"]}\nand more',
        b'{"messages": [{"role": "user"}]}',
        b'{"text": ["a"], "n": 1}',
        b'{"n": 1, "text": ["a"]}',
        b'{"text": "a"}',
        b'{"text": {"a": ["b"]}}',
        b'{"text": ["a"]',
        b"{}",
        b'"[',
        b'x {"text": ["a"]}',
        b'{"text": ["a"], "meta": {"b": 1}}',
    ],
)
def test_what_is_no_object_of_lists_is_read_by_lines(path: Path, content: bytes) -> None:
    assert rows(path, content) == [(number, line) for number, line in enumerate(content.split(b"\n"), 1)]


def test_the_rows_of_an_object_of_lists_are_checked_like_others(read: Read) -> None:
    reading = read(b'{"id": [1, 2, 3], "text": ["a", null]}')
    assert (reading.shape.format, reading.shape.columns) == ("text", ("id", "text"))
    assert [(each.row, each.code) for each in reading.problems.listed] == [(2, "null-content"), (3, "missing-field")]


def test_conversations_may_stand_in_a_column(read: Read) -> None:
    reading = read(b'{"messages": [[{"role": "assistant", "content": "a"}],\n[{"role": "assistant", "content": "b"}]]}')
    assert (reading.shape.format, reading.rows, reading.bad_rows) == ("messages", 2, 0)


def test_a_cell_that_is_too_long_spoils_its_row_only(read: Read) -> None:
    reading = read(b'{"text": ["a", "' + b"x" * (2 * MAX_ROW_BYTES) + b'", "b"]}')
    assert [(each.row, each.code) for each in reading.problems.listed] == [(2, "too-long")]
    assert reading.rows == 3
