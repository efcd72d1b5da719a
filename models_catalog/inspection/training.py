"""Whether TRL 1.16 can train an architecture at all, and what packing does to it."""

from __future__ import annotations

import inspect
import re
from typing import Any

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

HEAD_NUMBERS = {
    "final_logit_softcapping",
    "logit_scale",
    "output_multiplier",
    "lm_head_multiplier",
    "logits_scaling",
}
"""What TRL reads of a configuration to turn the head's output into logits (`trl/trainer/utils.py`)."""
_SCALES_LOGITS = re.compile(r"\bconfig\.(\w*(?:cap|scal|multipl)\w*)")

PACKAGE = "causal_conv1d"
_NEEDS_PACKAGE = """
bailing_hybrid bamba falcon_h1 granitemoehybrid kimi_linear lfm2 lfm2_moe nemotron_h olmo_hybrid
qwen3_5_moe_text qwen3_5_text qwen3_next qwen4_exp_text zamba2
"""
NEEDS_PACKAGE = frozenset(_NEEDS_PACKAGE.split())
"""Their convolutions refuse packed rows unless the package's own kernels tell where a row begins."""

_LEAKS = """
afmoe bart bigbird_pegasus biogpt blenderbot blenderbot-small bloom cpmant falcon falcon_mamba gpt_oss
inkling2_text inkling_text jamba lfm3 mamba mamba2 mbart minimax mpt mvp openai-gpt opt prophetnet
recurrent_gemma rwkv trocr xglm xlnet xlstm
"""
LEAKS = frozenset(_LEAKS.split())
_KEEPS_APART = """
apertus arcee aria_text beam bitnet codegen cohere cohere2 cohere2_moe ctrl cwm deepseek_v2 deepseek_v3
deepseek_v4 diffllama doge dots1 ernie4_5 ernie4_5_moe exaone4 exaone_moe flex_olmo flint gemma gemma2
gemma3_text gemma4_text gemma4_unified_text glm glm4 glm4_moe gpt-sw3 gpt2 gpt_bigcode gpt_neo gpt_neox
gpt_neox_japanese gptj granite granite_swa granitemoe granitemoe_swa granitemoeshared helium hrm_text
hunyuan_v1_dense hunyuan_v1_moe hy_v3 hy_v4 hyperclovax internlm3 iquestcoder jais2 jetmoe kolibri1 laguna
llama llama4_text marian mellum mimo_v2_flash minimax_m2 minimax_m3_vl_text ministral ministral3 mistral
mixtral modernbert-decoder moshi nanochat nemotron olmo olmo2 olmo3 olmoe pegasus persimmon phi phi3 phimoe
qwen2 qwen2_moe qwen3 qwen3_moe seed_oss smollm3 solar_open stablelm starcoder2 vaultgemma
"""
KEEPS_APART = frozenset(_KEEPS_APART.split())
"""Measured with transformers 5.23 and TRL 1.16 on tiny models: does what a row is packed behind change its logits?

An architecture in none of the three was not measured, and nothing is said about it.
"""


def untrainable(config: PretrainedConfig, model: PreTrainedModel) -> str:
    """Why no training can work, as a sentence; empty when nothing is known against it.

    TRL computes the loss from the backbone's last hidden state and the matrix of the output head, in tiles.
    """
    if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(model.config, "is_decoder", True):
        return (
            f"{config.model_type} reads text in both directions, so it sees the very words it should learn to write "
            "(its config.json does not say is_decoder)."
        )
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if model.base_model is model:
        return f"TRL cannot reach the hidden states of {config.model_type}, from which it computes the loss."
    if head is None:
        return f"{config.model_type} has no output head that TRL can find, so no loss can be computed."
    if skipped := _skipped_by_loss(model, head):
        return (
            f"TRL computes the loss of {config.model_type} without {skipped}, which the model itself uses, so that it "
            "would learn the wrong thing."
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
