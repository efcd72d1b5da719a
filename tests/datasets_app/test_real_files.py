"""Datasets that people really use."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from datasets_app.reading import read_file
from tests.make import make_client, make_user

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = [
    ("alpaca_en_demo.json", 999, ("instruction", "input", "output"), "prompt_completion", "alpaca"),
    ("dpo_en_demo.json", 300, ("conversations", "chosen", "rejected"), "preference", "sharegpt_preference"),
    ("gsm8k_test.jsonl", 1319, ("question", "answer"), "prompt_completion", "question_answer"),
]
PARAMETERS = ("name", "rows", "columns", "format", "layout")
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the folder with real datasets is not on this machine")


def test_no_real_file_is_left_out() -> None:
    there = {path.name for path in FOLDER.iterdir() if path.suffix != ".md"}
    assert there == {name for name, *_ in FILES}


@pytest.mark.parametrize(PARAMETERS, FILES)
def test_a_real_file_has_the_right_format_and_count(
    name: str, rows: int, columns: tuple[str, ...], format: str, layout: str
) -> None:
    reading = read_file(FOLDER / name)
    assert (reading.shape.format, reading.shape.layout, reading.shape.conversational) == (format, layout, True)
    assert reading.shape.columns == columns
    assert (reading.rows, reading.bad_rows) == (rows, 0)


@pytest.mark.django_db
@pytest.mark.parametrize(PARAMETERS, FILES)
def test_a_real_file_can_be_uploaded(
    name: str, rows: int, columns: tuple[str, ...], format: str, layout: str, client: Client
) -> None:
    person = make_user()
    sent = {"file": SimpleUploadedFile(name, (FOLDER / name).read_bytes())}
    told = make_client(person).post("/api/v1/datasets/", sent, format="multipart").json()
    client.force_login(person)
    assert f"{rows:,}" in client.get(f"/datasets/{told['id']}/").content.decode()
    assert (told["status"], told["format"], told["layout"]) == ("ready", format, layout)
    assert (told["rows"], told["bad_rows"], told["columns"]) == (rows, 0, list(columns))
