"""A run that was interrupted goes on from its last checkpoint to the same floats as one that was not."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from jobs.trainer.checkpoints import last_complete
from jobs.trainer.stopping import EXIT_CODE
from tests.trainer.interrupted import At, LeaseEnds, assert_same, attempt, curve, interrupt
from tests.trainer.runs import ROOT, Outcome, command, environment, make_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:`.*` is deprecated and will be removed in v6:FutureWarning"),
]

COSINE: dict[str, Any] = {"training__lr_scheduler_type": "cosine", "training__warmup_steps": 3}
FULL: dict[str, Any] = {"lora__enabled": False, "training__learning_rate": 0.001}


def resumed_at(*attempts: Outcome) -> list[int]:
    return [each["step"] for run in attempts for each in run.said("resumed")]


def test_an_adapter_with_dropout_goes_on_at_the_second_epoch_and_in_it(chat_llama: Path, tmp_path: Path) -> None:
    whole, attempts = interrupt(tmp_path, chat_llama, "messages", At(6), At(8), lora__dropout=0.2, **COSINE)
    assert [run.code for run in attempts] == [EXIT_CODE, EXIT_CODE, 0]
    assert resumed_at(*attempts) == [6, 8]
    assert_same(whole, *attempts)
    assert [each["step"] for each in attempts[2].said("step")] == [9, 10, 11, 12]


def test_all_weights_go_on_from_the_midst_of_a_step_of_several_batches(plain_qwen2: Path, tmp_path: Path) -> None:
    """The points of the curve lie four steps apart, and the one after the stop sums steps of both attempts."""
    batches = {"training__batch_size": 2, "training__gradient_accumulation": 3, "training__logging_steps": 4}
    stops = At(4, "in the midst of the next"), At(6, "in the midst of the next")
    whole, attempts = interrupt(tmp_path, plain_qwen2, "text", *stops, training__num_epochs=3, **batches, **FULL)
    assert resumed_at(*attempts) == [4, 6]
    assert_same(whole, *attempts)


def test_packed_rows_go_on_and_dropout_of_a_broken_off_step_is_drawn_again(chat_llama: Path, tmp_path: Path) -> None:
    changes = {"data__packing": True, "training__batch_size": 1, "training__num_epochs": 3, "lora__dropout": 0.2}
    stop = At(5, "in the midst of the next")
    whole, attempts = interrupt(tmp_path, chat_llama, "messages", stop, **changes, training__gradient_accumulation=3)
    assert resumed_at(*attempts) == [5]
    assert_same(whole, *attempts)


def test_preferences_teach_an_adapter_after_an_interruption(plain_qwen2: Path, tmp_path: Path) -> None:
    batches = {"training__batch_size": 2, "training__gradient_accumulation": 2}
    stop = At(7, "in the midst of the next")
    whole, attempts = interrupt(tmp_path, plain_qwen2, "preference", stop, training__method="dpo", **batches, **COSINE)
    assert resumed_at(*attempts) == [7]
    assert_same(whole, *attempts)


def test_preferences_teach_all_weights_after_an_interruption(chat_llama: Path, tmp_path: Path) -> None:
    whole, attempts = interrupt(tmp_path, chat_llama, "preference_chat", At(7), training__method="dpo", **FULL)
    assert_same(whole, *attempts)


def test_an_evaluation_that_was_broken_off_is_made_up_for_and_patience_goes_on(
    chat_llama: Path, tmp_path: Path
) -> None:
    """Early stopping counts over attempts, and the best model is that of the evaluation that was made up for."""
    changes = {"data__eval_fraction": 0.25, "training__batch_size": 6, "training__num_epochs": 30}
    rates = {"training__learning_rate": 0.05, "training__early_stopping_patience": 2, "lora__dropout": 0.2}
    stops = At(4), At(6, "in the next evaluation"), At(8)
    whole, attempts = interrupt(tmp_path, chat_llama, "messages", *stops, **changes, **rates)
    assert len(whole.said("step")) < whole.said("prepared")[0]["total_steps"]
    assert [[each["step"] for each in run.said("eval")] for run in attempts[:3]] == [[3], [], [6]]
    assert_same(whole, *attempts)
    assert [run.said("finished")[0]["metrics"] for run in (whole, attempts[-1])] == [
        whole.said("finished")[0]["metrics"]
    ] * 2


def test_a_run_that_is_stopped_after_its_last_step_trains_no_more(chat_llama: Path, tmp_path: Path) -> None:
    """Its steps end in the midst of an epoch, where transformers would train one more."""
    changes = {"training__max_steps": 8, "data__eval_fraction": 0.25}
    whole, attempts = interrupt(tmp_path, chat_llama, "messages", At(8), **changes)
    assert attempts[1].said("step") == []
    assert_same(whole, *attempts)


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(chat_llama: Path, tmp_path: Path) -> None:
    changes = {"training__save_steps": 3}
    whole = attempt(make_run(tmp_path / "whole", chat_llama, **changes))
    first = attempt(make_run(tmp_path / "1", chat_llama, **changes), At(8))
    weights = first.run_dir / "checkpoints" / "checkpoint-8" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    second = attempt(make_run(tmp_path / "2", chat_llama, **changes), earlier=[first.run_dir])
    assert resumed_at(second) == [6]
    (told,) = (finding for each in second.said("findings") for finding in each["findings"])
    assert told["code"] == "trainer.checkpoint-unsound"
    assert told["message"] == (
        "The checkpoint of step 8 cannot be used: the content of adapter_model.safetensors has changed since it was "
        "written. Training goes on from step 6."
    )
    assert_same(whole, first, second)


def test_checkpoints_of_other_settings_are_not_gone_on_from(chat_llama: Path, tmp_path: Path) -> None:
    first = attempt(make_run(tmp_path / "1", chat_llama), At(4))
    second = attempt(make_run(tmp_path / "2", chat_llama, training__max_steps=5, lora__r=4), earlier=[first.run_dir])
    assert (second.code, resumed_at(second)) == (0, [])
    assert [each["step"] for each in second.said("step")] == [1, 2, 3, 4, 5]
    (told,) = (finding for each in second.said("findings") for finding in each["findings"])
    assert told["message"].endswith("other settings or other rows. Training starts from the beginning.")


def test_smaller_batches_of_the_same_rows_go_on_from_the_checkpoints_of_larger_ones(
    chat_llama: Path, tmp_path: Path
) -> None:
    """As after memory ran out: the steps see the same rows, and the loss differs by rounding only."""
    whole = attempt(make_run(tmp_path / "whole", chat_llama))
    first = attempt(make_run(tmp_path / "1", chat_llama), At(8))
    halves = {"training__batch_size": 2, "training__gradient_accumulation": 2}
    second = attempt(make_run(tmp_path / "2", chat_llama, **halves), earlier=[first.run_dir])
    assert resumed_at(second) == [8]
    expected, got = curve(whole)["steps"], curve(first, second)["steps"]
    assert got.keys() == expected.keys()
    assert all(got[step] == pytest.approx(expected[step], rel=1e-3) for step in expected)


def test_the_rulebook_is_told_once(chat_llama: Path, tmp_path: Path) -> None:
    rows = [{"text": "The sky is blue. " * 30}] * 16
    changes = {"rows": rows, "data__strategy": "standard"}
    first = attempt(make_run(tmp_path / "1", chat_llama, "text", **changes), At(3))
    second = attempt(make_run(tmp_path / "2", chat_llama, "text", **changes), earlier=[first.run_dir])
    assert first.said("findings") and not second.said("findings")
    assert second.code == 0


def test_a_lease_that_passes_stops_a_run_at_a_checkpoint(chat_llama: Path, tmp_path: Path) -> None:
    outcome = attempt(make_run(tmp_path, chat_llama), LeaseEnds(3, run_dir=tmp_path))
    assert outcome.code == EXIT_CODE
    found = last_complete([tmp_path / "checkpoints"])
    assert found and found.step == outcome.said("step")[-1]["step"] == 3


def test_checkpoints_come_by_time(chat_llama: Path, tmp_path: Path) -> None:
    """Each takes a while, and the next is put off until so many times that have passed."""
    outcome = attempt(make_run(tmp_path, chat_llama), checkpoint_minutes=0)
    written = outcome.said("checkpoint")
    assert 1 <= len(written) < 12
    assert all(each["seconds"] > 0 and each["bytes"] > 10_000 for each in written)
    assert not (tmp_path / "checkpoints").exists(), "they are not kept beside the result"


def test_a_full_disk_costs_the_checkpoints_and_not_the_run(
    chat_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6, 10_000))
    outcome = attempt(make_run(tmp_path, chat_llama, training__max_steps=4, training__save_steps=2))
    assert outcome.code == 0
    assert not outcome.said("checkpoint")
    (told,) = (finding for each in outcome.said("findings") for finding in each["findings"])
    assert told["code"] == "trainer.checkpoint-missed"
    assert "10.0 kB are free" in told["message"]


def test_a_killed_run_repeats_only_the_steps_since_its_checkpoint(chat_llama: Path, tmp_path: Path) -> None:
    """The real command, killed with SIGKILL between two checkpoints."""
    changes = {"training__max_steps": 40, "training__save_steps": 10, "lora__dropout": 0.2}
    whole = attempt(make_run(tmp_path / "whole", chat_llama, **changes))
    first = killed_after(12, make_run(tmp_path / "1", chat_llama, **changes))
    second = attempt(make_run(tmp_path / "2", chat_llama, **changes), earlier=[first.run_dir])
    at = resumed_at(second)[0]
    assert at == max(each["step"] for each in first.said("checkpoint"))
    assert_same(whole, first, second)


def killed_after(step: int, run_dir: Path) -> Outcome:
    process = subprocess.Popen(
        command(run_dir), cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    outcome = Outcome(run_dir, -signal.SIGKILL, "")
    for _ in range(28_000):
        time.sleep(0.01)
        if (run_dir / "events.jsonl").exists() and len(outcome.said("step")) >= step:
            break
    process.kill()
    assert process.wait() == -signal.SIGKILL
    return outcome
