"""What is counted in tokenised rows before the first step."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import Dataset

from jobs.trainer.run_file import RunFile

from .runs import make_run

pytestmark = pytest.mark.slow


def a_run(folder: Path, kind: str, method: str) -> RunFile:
    return RunFile.of(make_run(folder, folder, kind, training__method=method, data__max_length=8))


def test_rows_that_begin_twice_are_counted(tmp_path: Path) -> None:
    from jobs.trainer.checks import count_doubled_starts

    rows = Dataset.from_dict({"input_ids": [[1, 1, 5], [1, 5, 1], [5, 1, 1], [1]]})
    run = a_run(tmp_path, "text", "sft")
    assert count_doubled_starts(run, rows, 1) == 1
    assert count_doubled_starts(run, rows, None) == 0


def test_pairs_that_are_cut_to_the_same_answer_are_counted(tmp_path: Path) -> None:
    from jobs.trainer.checks import count_pairs_cut_alike

    prompts = {"prompt_ids": [[1] * 6, [1] * 5, [1] * 6, [1] * 8]}
    answers = {"chosen_ids": [[2, 3, 4], [2, 3, 4], [2, 3], [2]], "rejected_ids": [[2, 3, 5], [2, 3, 5], [2, 4], [3]]}
    rows = Dataset.from_dict(prompts | answers)
    assert count_pairs_cut_alike(a_run(tmp_path, "preference", "dpo"), rows) == 2
    assert count_pairs_cut_alike(a_run(tmp_path, "text", "sft"), rows) == 0


def test_rows_that_fill_what_is_kept_are_counted(tmp_path: Path) -> None:
    from jobs.trainer.checks import count_full_rows

    rows = Dataset.from_dict({"input_ids": [[1] * 8, [1] * 7, [1] * 8, [1]]})
    assert count_full_rows(a_run(tmp_path, "text", "sft"), rows) == 2
    pairs = {"prompt_ids": [[1] * 6, [1] * 6], "chosen_ids": [[2, 3, 4], [2]], "rejected_ids": [[2], [2, 3]]}
    assert count_full_rows(a_run(tmp_path, "preference", "dpo"), Dataset.from_dict(pairs)) == 1
