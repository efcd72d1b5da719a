"""Datasets that people really use."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets_app.reading import read_file
from tests.make import make_client, make_user

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = [
    ("alpaca_en_demo.json", 999, ("instruction", "input", "output")),
    ("dpo_en_demo.json", 300, ("conversations", "chosen", "rejected")),
    ("gsm8k_test.jsonl", 1319, ("question", "answer")),
]
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the folder with real datasets is not on this machine")


@pytest.mark.parametrize(("name", "rows", "columns"), FILES)
def test_a_real_file_has_the_right_format_and_count(name: str, rows: int, columns: tuple[str, ...]) -> None:
    reading = read_file(FOLDER / name)
    assert reading.shape.format == "unknown"
    assert reading.shape.columns == columns
    assert (reading.rows, reading.bad_rows) == (rows, 0)


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "rows", "columns"), FILES)
def test_a_real_file_can_be_uploaded(name: str, rows: int, columns: tuple[str, ...]) -> None:
    sent = {"file": SimpleUploadedFile(name, (FOLDER / name).read_bytes())}
    told = make_client(make_user()).post("/api/v1/datasets/", sent, format="multipart").json()
    assert (told["status"], told["format"], told["rows"], told["columns"]) == ("ready", "unknown", rows, list(columns))
