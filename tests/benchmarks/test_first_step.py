"""From the start of the process to the first step: our trainer against a bare TRL script on the same model and rows."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest

from tests.tiny_models import make_tiny_model
from tests.trainer.runs import ROOT, environment, make_run

pytestmark = [pytest.mark.slow, pytest.mark.benchmark]

ROUNDS = 3
GOAL = 1.25
"""What checks, events and reasons may cost: a quarter more than nothing but training."""

BARE = """
import sys
from datasets import Dataset
from peft import LoraConfig
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

class Tell(TrainerCallback):
    def on_step_end(self, args, state, control, **_):
        print("first step", flush=True)
        control.should_training_stop = True

model, rows, out = sys.argv[1:]
arguments = SFTConfig(out, use_cpu=True, bf16=False, max_length=64, per_device_train_batch_size=4, report_to="none")
SFTTrainer(model, args=arguments, train_dataset=Dataset.from_json(rows, cache_dir=out), callbacks=[Tell()],
           peft_config=LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"])).train()
"""


def test_the_first_step_comes_about_as_soon_as_in_a_bare_script(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model", chat=True)
    ours, bare = [], []
    for number in range(ROUNDS):  # in turns, so that a busy moment of the machine falls on both
        run_dir = make_run(tmp_path / f"run-{number}", model, lora__target_modules=["q_proj", "v_proj"])
        ours.append(seconds_until([sys.executable, "-m", "jobs.trainer", str(run_dir)]))
        rows, out = str(run_dir / "train.jsonl"), str(tmp_path / f"bare-{number}")
        bare.append(seconds_until([sys.executable, "-c", BARE, str(model), rows, out]))
    ratio = median(ours) / median(bare)
    figures = {"ours": median(ours), "baseline": median(bare), "ratio": ratio, "p50": median(ours), "p95": max(ours)}
    rounded = {name: round(value, 3) for name, value in figures.items()}
    print(json.dumps({"name": "first_step", **rounded, "unit": "s", "goal": GOAL, "holds": ratio <= GOAL}))
    assert ratio <= GOAL


def tells_of_a_step(line: str) -> bool:
    """Our trainer prints each event as it writes it, the bare script what we made it print."""
    return " step step=1 " in line or "first step" in line


def seconds_until(command: list[str]) -> float:
    """From the start of a process to its first step; then it is ended."""
    started = time.monotonic()
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if tells_of_a_step(line):
                seconds = time.monotonic() - started
                process.kill()
                return seconds
    raise AssertionError("".join(lines))
