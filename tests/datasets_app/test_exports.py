"""Exports are read by the library that everybody trains with; downloads are the bytes that came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pyarrow import parquet

from datasets_app import exports
from datasets_app.exports import export
from datasets_app.models import Dataset
from datasets_app.services import create_dataset
from finetune_site.problems import Problem
from tests.make import make_dataset, make_user

pytestmark = pytest.mark.django_db

USER, AI = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy – 😀"}


def create(*rows: dict[str, Any]) -> Dataset:
    content = "\n".join(map(json.dumps, rows)).encode() + b"\n{\n"
    return create_dataset(owner=make_user(), name="", upload=SimpleUploadedFile("my rows.jsonl", content))


def loaded(dataset: Dataset, way: str, folder: Path) -> list[dict[str, Any]]:
    from datasets import load_dataset

    name, parts = export(dataset, way)
    path = folder / name.replace(" ", "-")
    path.write_bytes(b"".join(parts))
    loader = {"jsonl": "json", "parquet": "parquet"}[way]
    return list(load_dataset(loader, data_files=str(path), split="train", cache_dir=str(folder / "cache")))


ROWS = [
    ({"messages": [USER, AI]}, {"messages": [USER, AI, USER, AI]}),
    ({"text": "one"}, {"text": "two"}),
    ({"prompt": "p", "completion": " c"},),
    ({"prompt": [USER], "chosen": [AI], "rejected": [{**AI, "content": "No"}]},),
]


@pytest.mark.parametrize("rows", ROWS)
def test_json_lines_and_parquet_hold_the_good_rows(
    rows: tuple[dict[str, Any], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "GROUP", 1)
    dataset = create(*rows)
    lines = b"".join(export(dataset, "jsonl")[1])
    assert [json.loads(line) for line in lines.splitlines()] == list(rows)
    table = parquet.read_table(pyarrow.BufferReader(b"".join(export(dataset, "parquet")[1])))
    assert table.to_pylist() == list(rows)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["jsonl", "parquet"])
@pytest.mark.parametrize("rows", ROWS)
def test_what_is_exported_loads_as_the_good_rows(
    way: str, rows: tuple[dict[str, Any], ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "GROUP", 1)
    dataset = create(*rows)
    assert dataset.bad_rows == 1
    assert loaded(dataset, way, tmp_path) == list(rows)


@pytest.mark.parametrize(("way", "status"), [("csv", 400), ("", 400)])
def test_an_unknown_way_is_refused(way: str, status: int) -> None:
    with pytest.raises(Problem) as caught:
        export(make_dataset(), way)
    assert (caught.value.status_code, caught.value.findings[0].field) == (status, "as")


@pytest.mark.parametrize("changes", [{"status": "reading"}, {"bad_rows": 20}])
def test_without_good_rows_there_is_nothing_to_export(changes: dict[str, Any]) -> None:
    with pytest.raises(Problem, match="no good rows"):
        export(make_dataset(**changes), "jsonl")
