"""Datasets that people really use."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasets_app.reading import read_file

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the folder with real datasets is not on this machine")
@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("alpaca_en_demo.json", 999, ("instruction", "input", "output")),
        ("dpo_en_demo.json", 300, ("conversations", "chosen", "rejected")),
        ("gsm8k_test.jsonl", 1319, ("question", "answer")),
    ],
)
def test_a_real_file_has_the_right_format_and_count(name: str, rows: int, columns: tuple[str, ...]) -> None:
    reading = read_file(FOLDER / name)
    assert reading.shape.format == "unknown"
    assert reading.shape.columns == columns
    assert (reading.rows, reading.bad_rows) == (rows, 0)
