"""What measuring costs a run: the meter's share of a step, and of the shortest step there is."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from jobs.trainer.measuring import Meter
from tests.tiny_models import make_tiny_model
from tests.trainer.runs import make_run, train

pytestmark = pytest.mark.benchmark
GOAL = 0.01
STEPS = 20_000


def test_measuring_takes_less_than_a_hundredth_of_a_step(tmp_path: Path) -> None:
    """A tiny model's step is the hardest case: a real one takes a hundred times as long, and the meter no longer."""
    model = make_tiny_model(tmp_path / "model", chat=True)
    outcome = train(make_run(tmp_path / "run", model, training__max_steps=40, training__batch_size=2))
    assert outcome.code == 0, outcome.log
    step = json.loads((tmp_path / "run" / "result.json").read_text())["measured"]["seconds_per_step"]
    ours = seconds_of_the_meter(tmp_path)
    line = {"name": "measuring", "ours": round(ours * 1e6, 2), "baseline": round(step * 1e6, 1), "unit": "µs a step",
            "ratio": round(ours / step, 5), "goal": GOAL, "holds": ours / step <= GOAL}  # fmt: skip
    print(f"\n{json.dumps(line)}")
    assert line["holds"]


def seconds_of_the_meter(folder: Path) -> float:
    """Per step, with a log after each."""
    args = TrainingArguments(output_dir=str(folder), report_to="none", use_cpu=True)
    state, control, meter = TrainerState(), TrainerControl(), Meter()
    meter.on_train_begin(args, state, control)
    began = time.perf_counter()
    for number in range(STEPS):
        meter.on_step_begin(args, state, control)
        meter.on_step_end(args, state, control)
        meter.on_log(args, state, control, logs={"num_tokens": number})
    return (time.perf_counter() - began) / STEPS
