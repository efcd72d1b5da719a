"""Any row of a dataset is found: by number, line, word, or what is wrong with it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets_app import browsing
from datasets_app.browsing import find_rows, row_of_line
from datasets_app.models import Dataset
from datasets_app.reading.sources import rows_of
from datasets_app.row_index import STRIDE, RowIndex, rows_from
from datasets_app.services import create_dataset, delete_dataset
from datasets_app.side_files import INDEX, side_file
from tests.make import make_user

pytestmark = pytest.mark.django_db


def create(content: bytes, name: str = "rows.jsonl") -> Dataset:
    return create_dataset(owner=make_user(), name="", upload=SimpleUploadedFile(name, content))


def numbered(count: int) -> bytes:
    return b"".join(b'{"text": "number %d"}\n' % number for number in range(1, count + 1))


def texts(dataset: Dataset, **asked: Any) -> list[Any]:
    return [each.fields["text"] for each in find_rows(dataset, **asked).rows]


AWKWARD = {
    "lines": numbered(3 * STRIDE + 5),
    "blank lines": numbered(STRIDE).replace(b"\n", b"\n\n \r\n") + b"\n\n" + numbered(STRIDE),
    "byte order mark": b"\xef\xbb\xbf\n" + numbered(STRIDE + 1),
    "windows": numbered(2 * STRIDE).replace(b"\n", b"\r\n"),
    "no last line end": numbered(STRIDE + 1).rstrip(),
    "broken rows": numbered(STRIDE) + b'{"text": \x80\n{{{\n' + numbered(STRIDE),
    "a row that is too long": numbered(STRIDE) + b'{"text": "' + b"x" * 5_000_000 + b'"}\n' + numbered(STRIDE),
    "a list": b"[" + numbered(STRIDE * 2).replace(b"\n", b",\n")[:-2] + b"]",
    "packed": gzip.compress(numbered(STRIDE * 2)),
    "utf-16": numbered(STRIDE * 2).decode().encode("utf-16"),
}


@pytest.mark.parametrize("content", AWKWARD.values(), ids=AWKWARD.keys())
def test_every_row_is_the_same_from_wherever_one_begins(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(content)
    whole = [(number, line, bytes(raw).strip()) for number, (line, raw) in enumerate(rows_of(path), 1)]
    index = RowIndex.of(path)
    for first in (0, 1, STRIDE - 1, STRIDE, STRIDE + 1, len(whole) - 1, len(whole), len(whole) + 9):
        found = [(number, line, bytes(raw).strip()) for number, line, raw in rows_from(path, index, first)]
        assert found == whole[first:]


def test_only_plain_lines_have_an_index_and_it_is_kept() -> None:
    assert find_rows(packed := create(gzip.compress(numbered(3)), "rows.jsonl.gz")).rows
    assert side_file(packed.path, INDEX) is None
    dataset = create(numbered(600))
    assert texts(dataset, offset=599) == ["number 600"]
    assert dataset.path.with_suffix(INDEX).stat().st_size == 2 * 8 * 3


def test_the_index_goes_with_its_dataset(django_capture_on_commit_callbacks: Any) -> None:
    dataset = create(numbered(3))
    find_rows(dataset)
    path = dataset.path.with_suffix(INDEX)
    assert path.exists()
    with django_capture_on_commit_callbacks(execute=True):
        delete_dataset(dataset=dataset)
    assert not path.exists()


def test_rows_are_given_from_where_one_asks_with_what_comes_next() -> None:
    dataset = create(numbered(10))
    found = find_rows(dataset, offset=3, limit=2)
    assert [(each.number, each.line) for each in found.rows] == [(4, 4), (5, 5)]
    assert (found.next, found.searched) == (5, 5)
    assert find_rows(dataset, offset=8, limit=2).next is None
    assert find_rows(dataset, offset=99).rows == []


def test_words_are_found_however_json_writes_them() -> None:
    dataset = create(
        b'{"text": "Caf\\u00e9 \\"au\\" lait"}\n' + '{"text": "café \\"AU\\" lait"}\n{"text": "tea"}'.encode()
    )
    assert texts(dataset, search='é "au"') == ['Café "au" lait', 'café "AU" lait']
    assert texts(dataset, search="TEA") == ["tea"]
    assert texts(dataset, search="coffee") == []


def test_bad_rows_are_found_by_their_class_with_the_reason() -> None:
    dataset = create(b'{"text": "a"}\n{"text": null}\n{\n{"text": "b"}\n{"text": null}\n')
    assert [each.number for each in find_rows(dataset, problem="null-content").rows] == [2, 5]
    assert [each.number for each in find_rows(dataset, problem="bad").rows] == [2, 3, 5]
    bad = find_rows(dataset, problem="broken-json").rows[0]
    assert (bad.fields, bad.row) == ("{", None)
    assert bad.problem.startswith("The JSON of this row is broken")


def test_a_search_that_takes_long_stops_and_can_be_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "LOOKED_FOR", 0.0)
    dataset = create(numbered(5))
    found = find_rows(dataset, search="number 3")
    assert (found.rows, found.next, found.searched) == ([], 1, 1)
    assert [each.number for each in find_rows(dataset, offset=2, search="number 3").rows] == [3]


def test_a_line_leads_to_its_row() -> None:
    dataset = create(b"\n\n" + numbered(2).replace(b"\n", b"\n\n\n"))
    assert [row_of_line(dataset, line) for line in (1, 3, 4, 6, 7, 99)] == [0, 0, 1, 1, 1, 1]


def test_what_is_shown_of_a_row_is_bounded() -> None:
    dataset = create(json.dumps({"text": "x" * 50_000, "more": [1] * 5000}).encode())
    (row,) = find_rows(dataset).rows
    assert len(row.fields["text"]) < 11_000
    assert len(row.fields["more"]) == 100
    assert len(row.cells(["text"])[0]) < 400
