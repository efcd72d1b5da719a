"""Memory that runs out: one more try with smaller batches, where that was allowed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.rulebook.steps import smaller_batch
from jobs.trainer.keeping import fingerprint
from jobs.trainer.retrying import may_retry, with_smaller_batch
from jobs.trainer.run_file import RunFile
from tests.trainer.runs import ROOT, Outcome, environment, make_run


def run_of(folder: Path, **changes: object) -> RunFile:
    return RunFile.of(make_run(folder, folder / "model", **changes))


def short_of_memory(run_dir: Path) -> Outcome:
    command = [sys.executable, "-m", "tests.trainer.short_of_memory", str(run_dir)]
    ended = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)
    return Outcome(run_dir, ended.returncode, ended.stdout + ended.stderr)


@pytest.mark.parametrize(("before", "after"), [((4, 1), (2, 2)), ((8, 2), (4, 4)), ((3, 1), (1, 3)), ((9, 2), (3, 6))])
def test_the_rows_of_a_step_stay_the_same(before: tuple[int, int], after: tuple[int, int]) -> None:
    assert smaller_batch(*before) == after
    assert before[0] * before[1] == after[0] * after[1]


def test_it_is_tried_once_only(tmp_path: Path) -> None:
    allowed = run_of(tmp_path, training__auto_find_batch_size=True, training__batch_size=4)
    again, told = with_smaller_batch(allowed)
    assert may_retry(MemoryError(), allowed) and not may_retry(MemoryError(), again)
    assert again.settings["training.batch_size"] == 2
    assert told.message.startswith("Batches of 4 rows did not fit into memory")


def test_it_is_tried_for_want_of_memory_only_and_where_it_helps(tmp_path: Path) -> None:
    allowed = run_of(tmp_path / "a", training__auto_find_batch_size=True)
    assert not may_retry(ValueError("no"), allowed)
    assert not may_retry(MemoryError(), run_of(tmp_path / "b"))
    assert not may_retry(
        MemoryError(), run_of(tmp_path / "c", training__auto_find_batch_size=True, training__batch_size=1)
    )
    assert not may_retry(MemoryError(), None)


def test_smaller_batches_go_on_from_checkpoints_of_larger_ones_and_other_settings_do_not(tmp_path: Path) -> None:
    run = run_of(tmp_path, training__batch_size=4)
    smaller = RunFile.model_validate_json(with_smaller_batch(run)[0].model_dump_json())
    assert smaller.settings["training.batch_size"] == 2
    assert fingerprint(tmp_path, smaller) == fingerprint(tmp_path, run)
    assert fingerprint(tmp_path, run_of(tmp_path, training__batch_size=4, lora__r=4)) != fingerprint(tmp_path, run)
    assert fingerprint(tmp_path, run_of(tmp_path, training__batch_size=2)) != fingerprint(tmp_path, run)


def test_other_rows_have_other_checkpoints(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    before = fingerprint(tmp_path, run)
    rows = (tmp_path / "train.jsonl").read_text()
    (tmp_path / "train.jsonl").write_text(rows.replace("What is 1 and", "What is 7 and"))
    assert fingerprint(tmp_path, run) != before


@pytest.mark.slow
def test_a_run_that_finds_no_memory_goes_on_with_smaller_batches(chat_llama: Path, tmp_path: Path) -> None:
    """The process replaces itself, and takes up the checkpoint that it had written with the larger ones."""
    changes = {"training__auto_find_batch_size": True, "training__batch_size": 4, "training__save_steps": 2}
    outcome = short_of_memory(make_run(tmp_path, chat_llama, training__max_steps=4, **changes))
    assert outcome.code == 0, outcome.log
    assert outcome.said("failed") == []
    (told,) = (finding for each in outcome.said("findings") for finding in each["findings"])
    assert told["code"] == "trainer.smaller-batch"
    assert [each["step"] for each in outcome.said("resumed")] == [2]
    assert [each["step"] for each in outcome.said("step")] == [1, 2, 3, 4]
    used = json.loads((outcome.output / "run.json").read_text())["spec"]["training"]
    assert (used["batch_size"], used["gradient_accumulation"]) == (2, 2)


@pytest.mark.slow
def test_without_leave_it_fails_with_the_fix(chat_llama: Path, tmp_path: Path) -> None:
    outcome = short_of_memory(make_run(tmp_path, chat_llama, training__batch_size=4, training__max_steps=4))
    assert outcome.code == 1
    assert outcome.finding["code"] == "trainer.out-of-memory"
    assert outcome.finding["fix"]["changes"] == {"training.batch_size": 2, "training.gradient_accumulation": 2}
