"""Whether TRL 1.16 can train an architecture at all, and what packing does to it."""

from __future__ import annotations

import inspect
import re
from typing import Any

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

HEAD_NUMBERS = {
    "final_logit_softcapping",
    "logit_scale",
    "output_multiplier",
    "lm_head_multiplier",
    "logits_scaling",
}
"""What TRL reads of a configuration to turn the head's output into logits (`trl/trainer/utils.py`)."""
_SCALES_LOGITS = re.compile(r"\bconfig\.(\w*(?:cap|scal|multipl)\w*)")

LEAKS: frozenset[str] = frozenset()
KEEPS_APART: frozenset[str] = frozenset()
NEEDS_PACKAGE: frozenset[str] = frozenset()
PACKAGE = "causal_conv1d"


def untrainable(config: PretrainedConfig, model: PreTrainedModel) -> str:
    """Why no training can work, as a sentence; empty when nothing is known against it.

    TRL computes the loss from the backbone's last hidden state and the matrix of the output head, in tiles.
    """
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if model.base_model is model:
        return f"TRL cannot reach the hidden states of {config.model_type}, from which it computes the loss"
    if head is None:
        return f"{config.model_type} has no output head that TRL can find, so no loss can be computed"
    if skipped := _skipped_by_loss(model, head):
        return (
            f"TRL computes the loss of {config.model_type} without {skipped}, which the model itself uses, so that it "
            "would learn the wrong thing"
        )
    return ""


def _skipped_by_loss(model: PreTrainedModel, head: nn.Module) -> str:
    """A part or number of the model between hidden states and logits that TRL leaves out; empty when there is none."""
    counted = {id(each) for part in (model.base_model, head) for each in part.parameters()}
    for name, child in model.named_children():
        if any(id(each) not in counted for each in child.parameters()):
            return f"its {name}"
    used = set(_SCALES_LOGITS.findall(inspect.getsource(type(model).forward))) - HEAD_NUMBERS
    text = model.config.get_text_config()
    return next((f"its {name}" for name in sorted(used) if getattr(text, name, None) not in (None, 1.0)), "")


def packing(config: PretrainedConfig) -> dict[str, Any]:
    """What was measured of packing in this architecture: whether rows see each other, and a package it needs."""
    kind = config.model_type
    if kind in NEEDS_PACKAGE:
        return {"packing_leaks": False, "packing_needs": PACKAGE}
    if kind in LEAKS or kind in KEEPS_APART:
        return {"packing_leaks": kind in LEAKS, "packing_needs": ""}
    return {}
