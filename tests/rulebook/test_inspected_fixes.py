"""Buttons lead somewhere on models that were looked into, too."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.rulebook import check

from .test_aim import facts
from .trees import GPT2, LLAMA, MAMBA, MIXTRAL, QWEN_MOE

NAMES = st.sampled_from([
    "q_proj", "v_proj", "self_attn", "mlp", "experts", "gate", "w1", "w2", "w3", "gate_proj", "up_proj", "q_proj ",
    "Q_PROJ", "lm_head", "c_attn", "wte", "wpe", "attn.c_proj", "dt_proj", "out_proj", "conv1d", "in_proj", "norm",
    "layers.0.self_attn.q_proj", "all-linear", "nonsense", "0", "",
])  # fmt: skip
TARGETS = st.one_of(
    st.lists(NAMES, max_size=4).map(tuple),
    st.sampled_from(["all-linear", "q_proj,v_proj", "all", ".*", r".*\.(q|v)_proj", r".*gate_proj", "(q", r".*attn.*"]),
)
TREES = st.sampled_from([LLAMA, GPT2, MAMBA, MIXTRAL, QWEN_MOE])
MOST_PRESSES = 8
quickly = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
FACT = {"lora.target_modules": "target_modules", "lora.dropout": "lora_dropout", "lora.use_dora": "use_dora"}


@given(TREES, TARGETS, st.booleans(), st.sampled_from([0.0, 0.1]), st.integers(0, 2))
@quickly
def test_pressing_any_cure_ends_with_targets_that_peft_takes(
    tree: Any, targets: Any, dora: bool, dropout: float, pick: int
) -> None:
    known = facts(tree, targets, use_dora=dora, lora_dropout=dropout)
    pressed: list[str] = []
    while errors := [each for each in check(known).errors if each.code.startswith("lora.")]:
        fix = errors[0].fixes[pick % len(errors[0].fixes)]
        known |= {FACT[path]: value for path, value in fix.changes.items()}
        pressed.append(errors[0].code)
        assert len(pressed) <= MOST_PRESSES, pressed
