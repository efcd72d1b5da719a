"""Targets are resolved as PEFT itself resolves them: the same modules, the same parameters, the same refusals."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from peft import LoraConfig, get_peft_model

from jobs.rulebook.targets import Targets, read_modules, resolve
from models_catalog.inspection.building import build
from models_catalog.inspection.tree import tree_facts
from tests.architectures import tiny_config

from .test_architectures import RECOMMENDED

KINDS = sorted(
    set(RECOMMENDED) - {"ministral3", "hyperclovax", "smollm3", "olmo", "qwen2", "bitnet", "gemma", "cohere2"}
)
SEVEN = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
SPECIFICATIONS: tuple[Targets, ...] = (
    "all-linear", ("all-linear",), SEVEN, ("q_proj", "nothing"), ("self_attn",), ("embed_tokens",), ("w1", "w2", "w3"),
    ("w1", "w2"), ("gate_proj",), ("gate", "q_proj"), ("0.self_attn.q_proj", "layers.1.mlp.down_proj"), ("0",), ("",),
    (),     "q_proj", r".*\.(q|v)_proj", ".*", "(", r".*layers\.1\..*_proj", r".*\.(gate_proj|up_proj|down_proj)",
    ("gate_up_proj", "down_proj"), ("in_proj", "out_proj"), ("conv1d",), ("c_attn", "wpe"),
)  # fmt: skip
RANK = 4


def as_peft(kind: str, targets: Targets) -> tuple[int, int] | None:
    """Adapters and trained parameters; None where PEFT raises."""
    config = LoraConfig(
        task_type="CAUSAL_LM", r=RANK, target_modules=targets if isinstance(targets, str) else list(targets)
    )
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        try:
            model: Any = get_peft_model(build(tiny_config(kind)), config, low_cpu_mem_usage=True)
        except Exception:
            return None
    tuner = model.base_model
    trained = sum(each.numel() for each in model.parameters() if each.requires_grad)
    return len(tuner.targeted_module_names) + len(tuner.targeted_parameter_names), trained


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_target_reaches_what_it_reaches_in_peft(kind: str) -> None:
    config = tiny_config(kind)
    facts = tree_facts(config, build(config))
    tree = read_modules(facts["modules"], facts["renamed_targets"])
    ours = {targets: resolve(targets, tree, RANK) for targets in SPECIFICATIONS}
    told = {targets: None if found.problem else (found.modules, found.trainable) for targets, found in ours.items()}
    assert told == {targets: as_peft(kind, targets) for targets in SPECIFICATIONS}


def test_many_architectures_and_targets_are_compared() -> None:
    assert len(KINDS) >= 40
    assert len(set(SPECIFICATIONS)) >= 20
