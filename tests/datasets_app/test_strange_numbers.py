"""NaN and Infinity beside what is trained harm nothing, so they make no row bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasets_app.reading import good_rows, read_file
from datasets_app.reading.strange_numbers import without_strange_numbers

ROWS = b'{"text": "Ahoy", "score": NaN}\n{"text": "Hello", "scores": [1, -Infinity], "id": 2}\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(ROWS)
    return path


def test_such_rows_are_good_in_the_format_they_have_otherwise(file: Path) -> None:
    reading = read_file(file)
    assert (reading.shape.format, reading.rows, reading.bad_rows) == ("text", 2, 0)
    assert reading.shape.columns == ("text", "score", "scores", "id")


def test_they_are_trained_like_any_other(file: Path) -> None:
    assert list(good_rows(file, "text", False)) == [{"text": "Ahoy"}, {"text": "Hello"}]


def test_only_the_column_with_the_number_becomes_null() -> None:
    row = b'{"text": "Ah\xc3\xb6y", "score": NaN, "tags": ["a"]}'
    assert without_strange_numbers(row) == '{"text": "Ahöy", "score": null, "tags": ["a"]}'.encode()


@pytest.mark.parametrize(
    "row",
    [b'{"text": "NaN"}', b'{"text": "to Infinity"}', b'{"text": NaN, ', b"NaN", b'["Infinity", NaN]', b"plain NaN"],
)
def test_every_other_row_stays_as_it_is(row: bytes) -> None:
    assert without_strange_numbers(row) is row


def test_a_number_in_a_trained_column_stays_and_is_told() -> None:
    assert b"NaN" in without_strange_numbers(b'{"text": NaN}')
