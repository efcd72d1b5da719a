"""A real training out of the real warm process, against the same one in a fresh process."""

from __future__ import annotations

import os
import statistics
from itertools import pairwise
from pathlib import Path

import pytest

from jobs import launching
from jobs.launching import Fresh, start_trainer
from jobs.run_folder import RunFolder, hold
from jobs.warm.forked import Forked, NotWarm
from tests.tiny_models import make_tiny_model
from tests.trainer.runs import Outcome, make_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny", chat=True)


def trained(run_dir: Path, kind: type) -> Outcome:
    folder, log = RunFolder(run_dir), run_dir / "log.txt"
    lock = hold(folder)
    trainer = start_trainer(folder, environment=os.environ, locks=[lock], log=log)
    os.close(lock)
    assert isinstance(trainer, kind)
    assert hold(folder) is None
    code = trainer.wait(120)
    return Outcome(run_dir, code, log.read_text())


@pytest.mark.parametrize(
    "changes",
    [{}, {"lora__enabled": False, "training__learning_rate": 1e-3}, {"kind": "preference", "training__method": "dpo"}],
    ids=["LoRA", "full", "DPO"],
)
def test_a_fork_trains_as_a_fresh_process_does(
    warm: None, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict
) -> None:
    forked = trained(make_run(tmp_path / "forked", model, **changes), Forked)
    monkeypatch.setattr(launching, "fork_trainer", never)
    fresh = trained(make_run(tmp_path / "fresh", model, **changes), Fresh)
    assert (forked.code, fresh.code) == (0, 0), forked.log + fresh.log
    assert forked.losses == fresh.losses and len(set(fresh.losses)) > 3
    assert seconds_per_step(forked) < 2 * seconds_per_step(fresh) + 0.01


def never(*_: object, **__: object) -> None:
    raise NotWarm("Not in this test.")


def seconds_per_step(run: Outcome) -> float:
    ends = [step["seconds"] for step in run.said("step")]
    return statistics.median(later - sooner for sooner, later in pairwise(ends))


def test_a_failure_in_a_fork_ends_with_its_finding(warm: None, model: Path, tmp_path: Path) -> None:
    run = trained(make_run(tmp_path / "run", model, data__max_length=8, training__method="sft"), Forked)
    assert run.code == 1 and run.finding["code"]
