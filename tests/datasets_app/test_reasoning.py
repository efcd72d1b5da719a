"""Reasoning in a key of its own is kept, whichever of its names it has, and counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datasets_app.preview import panes
from datasets_app.reading import read_file
from datasets_app.reading.reader import located_rows


def said(**more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4", **more}]}


def good(path: Path, layout: str = "messages") -> list[dict[str, Any]]:
    return [row for _, row in located_rows(path, "messages", True, layout)]


def written(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", ["reasoning_content", "thinking", "reasoning"])
def test_reasoning_is_kept_under_the_name_that_templates_read(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, said(**{name: "Two and two."}), said())
    report = read_file(path)
    assert (report.rows, report.bad_rows, report.stats["extras"]) == (2, 0, {"reasoning": 1})
    thought, plain = (row["messages"][1] for row in good(path))
    assert thought == {"role": "assistant", "content": "4", "reasoning_content": "Two and two."}
    assert plain == {"role": "assistant", "content": "4"}


def test_turns_in_other_spellings_keep_it_too(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4", "thinking": "Two and two."}]
    path = written(tmp_path, {"conversations": turns})
    assert good(path, "sharegpt")[0]["messages"][1]["reasoning_content"] == "Two and two."


def test_empty_reasoning_and_that_of_others_is_none(tmp_path: Path) -> None:
    row = said(reasoning_content="", thinking=None)
    row["messages"][0]["reasoning"] = "mine"
    path = written(tmp_path, row)
    assert read_file(path).stats["extras"] == {}
    assert good(path)[0]["messages"] == said()["messages"]


def test_reasoning_that_is_no_text_makes_a_bad_row(tmp_path: Path) -> None:
    report = read_file(written(tmp_path, said(thinking=[{"text": "Two"}]), said()))
    assert (report.bad_rows, report.problems.listed[0].line) == (1, 1)
    assert "The reasoning of turn 2 in messages is no text." in report.problems.listed[0].message


def test_it_counts_towards_the_longest_row(tmp_path: Path) -> None:
    short, long = (read_file(written(tmp_path, said(thinking="x" * size))) for size in (1, 90_000))
    assert long.stats["token_ceiling"] - short.stats["token_ceiling"] >= 89_000


def test_a_row_shows_it_above_the_answer() -> None:
    (pane,) = panes(said(reasoning_content="Two and two."))
    assert pane.passages[1].beginning == "Two and two.\n4"
