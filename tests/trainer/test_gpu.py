"""A real training on a GPU: in bf16, in four bits, and its memory held against the estimate.

Nobody who wrote this had a GPU, so what holds on processors is asked here of the first machine that has one.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from jobs.machine import machine_facts
from jobs.rulebook.estimate import estimate
from jobs.trainer.run_file import RunFile
from models_catalog.inspection.inspect import inspect_folder
from tests.benchmarks.large_vocabularies import make_model_of
from tests.trainer.runs import Outcome, make_run, train

pytestmark = [pytest.mark.slow, pytest.mark.gpu]

VOCABULARY = 32_000
WITHIN = 0.25
"""Share by which the peak may differ from the estimate: ten percent are held on processors only."""
LONG = [{"text": "tell me what this is about and why it should be so " * 60}] * 8
SETTINGS = {"data__max_length": 512, "training__max_steps": 3, "training__batch_size": 2, "training__precision": "bf16"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A third of a billion random weights: enough to be seen beside what CUDA itself takes."""
    from transformers import AutoConfig, AutoModelForCausalLM

    folder = make_model_of(tmp_path_factory.mktemp("models") / "large", VOCABULARY)
    AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype="bfloat16").save_pretrained(folder)
    return folder


def trained(run_dir: Path, model: Path, **changes: Any) -> Outcome:
    outcome = train(make_run(run_dir, model, "text", rows=LONG, **{**SETTINGS, **changes}))
    assert outcome.code == 0, outcome.log
    [prepared] = outcome.said("prepared")
    assert (prepared["device"], prepared["precision"]) == ("cuda", "bf16")
    assert len(outcome.losses) == 3 and all(0 < loss < 20 for loss in outcome.losses)
    assert (outcome.output / "adapter_model.safetensors").exists()
    return outcome


def foretold(run_dir: Path, model: Path) -> int:
    rows = {"rows": len(LONG), "bad_row_count": 0, "token_ceiling": 10**6}
    about_model = inspect_folder(str(model))["facts"]
    told = estimate({**RunFile.of(run_dir).choices.facts(), **about_model, **rows, **machine_facts()}).memory_bytes
    assert told
    return told


def test_bf16_on_a_gpu_takes_about_the_memory_that_was_foretold(tmp_path: Path, model: Path) -> None:
    outcome = trained(tmp_path, model)
    measured = json.loads((outcome.run_dir / "result.json").read_text())["measured"]["memory_bytes"]
    assert abs(foretold(tmp_path, model) / measured - 1) < WITHIN, (foretold(tmp_path, model), measured)


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="needs bitsandbytes")
def test_four_bits_train_and_take_less_memory(tmp_path: Path, model: Path) -> None:
    def peak(**changes: Any) -> int:
        outcome = trained(tmp_path / str(len(changes)), model, **changes)
        return int(json.loads((outcome.run_dir / "result.json").read_text())["measured"]["memory_bytes"])

    assert peak(quantization="4bit") < peak()
