"""Recommended targets of every architecture that was really trained, from nothing but its configuration."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

pytest.importorskip("torch")

from models_catalog.inspection.building import build
from models_catalog.inspection.tree import tree_facts
from tests.architectures import tiny_config

# Architectures, and the names of all their linear layers that should carry an adapter. Each was trained, saved and
# merged; llama4_text, which cannot be trained, was only looked at.
TRAINED = (
    (
        "bitnet cohere cohere2 gemma gemma2 gemma3_text hyperclovax llama llama4_text ministral ministral3 "
        "mistral olmo olmo2 qwen2 qwen2_moe qwen3 smollm3 stablelm",
        "down_proj gate_proj k_proj o_proj q_proj up_proj v_proj",
    ),
    (
        "ernie4_5_moe glm4_moe gpt_oss granitemoe hunyuan_v1_moe mixtral olmoe phimoe qwen3_moe",
        "k_proj o_proj q_proj v_proj",
    ),
    (
        "bloom falcon gpt_neox",
        "dense dense_4h_to_h dense_h_to_4h query_key_value",
    ),
    (
        "gpt2 gpt_bigcode openai-gpt",
        "c_attn c_fc c_proj",
    ),
    (
        "deepseek_v2 deepseek_v3",
        "kv_a_proj_with_mqa kv_b_proj o_proj q_a_proj q_b_proj",
    ),
    (
        "falcon_mamba mamba",
        "in_proj x_proj",
    ),
    (
        "lfm2 lfm2_moe",
        "in_proj k_proj out_proj q_proj v_proj w1 w2 w3",
    ),
    (
        "qwen3_5_moe_text qwen3_5_text",
        "down_proj gate_proj in_proj_a in_proj_b in_proj_qkv in_proj_z k_proj o_proj out_proj q_proj up_proj v_proj",
    ),
    (
        "apertus",
        "down_proj k_proj o_proj q_proj up_proj v_proj",
    ),
    (
        "ctrl",
        "Wk Wq Wv dense",
    ),
    (
        "falcon_h1",
        "down_proj gate_proj in_proj k_proj o_proj q_proj up_proj v_proj",
    ),
    (
        "gemma4_text",
        "down_proj gate_proj k_proj o_proj per_layer_input_gate per_layer_model_projection "
        "per_layer_projection q_proj up_proj v_proj",
    ),
    (
        "glm4",
        "down_proj gate_up_proj k_proj o_proj q_proj v_proj",
    ),
    (
        "gpt_neo",
        "c_fc c_proj k_proj out_proj q_proj v_proj",
    ),
    (
        "gptj",
        "fc_in fc_out k_proj out_proj q_proj v_proj",
    ),
    (
        "granitemoehybrid",
        "in_proj input_linear k_proj o_proj out_proj output_linear q_proj v_proj",
    ),
    (
        "jamba",
        "down_proj gate_proj in_proj k_proj o_proj out_proj q_proj up_proj v_proj x_proj",
    ),
    (
        "mamba2",
        "in_proj",
    ),
    (
        "minimax",
        "k_proj o_proj out_proj output_gate q_proj qkv_proj v_proj",
    ),
    (
        "modernbert-decoder",
        "Wi Wo dense k_proj q_proj v_proj",
    ),
    (
        "mpt",
        "Wqkv down_proj out_proj up_proj",
    ),
    (
        "nemotron_h",
        "down_proj in_proj k_proj o_proj q_proj up_proj v_proj",
    ),
    (
        "opt",
        "fc1 fc2 k_proj out_proj q_proj v_proj",
    ),
    (
        "phi",
        "dense fc1 fc2 k_proj q_proj v_proj",
    ),
    (
        "phi3",
        "down_proj gate_up_proj o_proj qkv_proj",
    ),
    (
        "qwen3_next",
        "in_proj_ba in_proj_qkvz k_proj o_proj out_proj q_proj v_proj",
    ),
    (
        "recurrent_gemma",
        "down_proj gate_proj k_proj linear_out linear_x linear_y o_proj q_proj up_proj v_proj",
    ),
    (
        "rwkv",
        "key output receptance value",
    ),
    (
        "starcoder2",
        "c_fc c_proj k_proj o_proj q_proj v_proj",
    ),
)
RECOMMENDED = {kind: set(names.split()) for kinds, names in TRAINED for kind in kinds.split()}


@cache
def look(kind: str) -> dict[str, Any]:
    config = tiny_config(kind)
    return tree_facts(config, build(config))


@pytest.mark.parametrize(("kind", "names"), RECOMMENDED.items(), ids=RECOMMENDED)
def test_recommended_targets_are_those_that_train(kind: str, names: set[str]) -> None:
    assert set(look(kind)["lora_targets"]) == names


def test_more_than_sixty_architectures_were_looked_at() -> None:
    assert len(RECOMMENDED) > 60


def having(fact: str) -> set[str]:
    return {kind for kind in RECOMMENDED if look(kind)[fact]}


def test_positions_end_where_a_longer_row_raises() -> None:
    ends = {"ctrl", "gpt2", "gpt_bigcode", "gpt_neo", "gptj", "mpt", "openai-gpt", "opt"}
    assert having("position_table") == ends


def test_what_trl_cannot_train_is_told_by_the_model_itself() -> None:
    assert having("untrainable") == {"llama4_text", "modernbert-decoder", "recurrent_gemma"}


def test_layers_that_no_adapter_suits_are_told_by_the_model_itself() -> None:
    unfit = {kind: set(look(kind)["unfit_modules"]) for kind in having("unfit_modules")}
    assert unfit == {
        "falcon_h1": {"out_proj"},
        "falcon_mamba": {"dt_proj", "out_proj"},
        "jamba": {"dt_proj"},
        "llama4_text": {"router"},
        "mamba": {"dt_proj", "out_proj"},
        "mamba2": {"out_proj"},
        "nemotron_h": {"out_proj"},
        "phimoe": {"router"},
    }


def test_only_two_of_them_have_no_gradient_checkpointing() -> None:
    assert set(RECOMMENDED) - having("supports_checkpointing") == {"ctrl", "openai-gpt"}


def test_packing_was_measured_for_all_of_them() -> None:
    known = {kind for kind in RECOMMENDED if "packing_leaks" in look(kind)}
    assert known == set(RECOMMENDED)
