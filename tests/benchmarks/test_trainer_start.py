"""From the start of the trainer's process to its first step, against a bare TRL script on the same model and rows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.benchmarks.bare_trl import bare_seconds, seconds_until
from tests.benchmarks.figures import show
from tests.tiny_models import make_tiny_model
from tests.trainer.runs import make_run

pytestmark = [pytest.mark.slow, pytest.mark.benchmark]

ROUNDS = 3
GOAL = 1.25
"""What checks, events and reasons may cost: a quarter more than nothing but training."""


def test_the_trainer_starts_about_as_soon_as_a_bare_script(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model", chat=True)
    ours, bare = [], []
    for number in range(ROUNDS):  # in turns, so that a busy moment of the machine falls on both
        run_dir = make_run(tmp_path / f"run-{number}", model, lora__target_modules=["q_proj", "v_proj"])
        ours.append(seconds_until([sys.executable, "-m", "jobs.trainer", str(run_dir)], " step step=1 "))
        bare.append(bare_seconds(model, run_dir / "train.jsonl", tmp_path / f"bare-{number}"))
    assert show("trainer_start", ours, bare, goal=GOAL)
