"""Rows come out of their file as they went in, whichever keys their turns have."""

from __future__ import annotations

import gc
import json
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.trainer.folder import LINE
from jobs.trainer.loading import load_rows

ASKED = {"role": "user", "content": "How warm is it?" * 70}
PLAIN = {"messages": [ASKED, {"role": "assistant", "content": "Warm."}]}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]


def calling(arguments: dict[str, Any]) -> dict[str, Any]:
    call = {"type": "function", "function": {"name": "weather", "arguments": arguments}}
    turns = [ASKED, {"role": "assistant", "content": "", "tool_calls": [call], "weight": 0}]
    return {"messages": [*turns, {"role": "tool", "name": "weather", "content": "21"}, PLAIN["messages"][1]]}


CALLS = [calling({"place": "Ulm"}), calling({"day": 3, "at": {"hours": [1, "2"]}}), calling({})]


def loaded(folder: Path, rows: list[dict[str, Any]], format: str = "messages") -> list[dict[str, Any]]:
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run: Any = SimpleNamespace(dataset_format=format, conversational=True)
    with warnings.catch_warnings():  # the library leaves listings of folders open
        warnings.simplefilter("ignore", ResourceWarning)
        found = list(load_rows(run, folder, folder))
        gc.collect()
    return [{key: value for key, value in row.items() if value is not None} for row in found]


@pytest.mark.parametrize("before", [1, 11_000])
def test_calls_with_arguments_of_every_shape_are_kept_wherever_they_stand(tmp_path: Path, before: int) -> None:
    rows = [PLAIN] * before + [{**call, "tools": TOOLS} for call in CALLS]
    assert loaded(tmp_path, rows)[before - 1 :] == rows[before - 1 :]


def test_preferences_with_tools_keep_their_prompt(tmp_path: Path) -> None:
    answer = [{"role": "assistant", "content": "Warm."}]
    row = {"prompt": [ASKED], "chosen": CALLS[0]["messages"][1:2], "rejected": answer, "tools": TOOLS}
    assert loaded(tmp_path, [row, {**row, "chosen": answer}], "preference")[0] == row


def test_rows_of_a_rehearsal_keep_the_number_of_their_line(tmp_path: Path) -> None:
    rows = [{LINE: 7, **CALLS[0], "tools": TOOLS}, {LINE: 9, **PLAIN}]
    assert loaded(tmp_path, rows) == rows
