"""Stand-ins: small, but of the same architecture, and with a layer of every kind."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import AutoConfig

from jobs.rehearsal.shrinking import SHAPES, keep_layers, narrow
from jobs.rehearsal.stand_in import NoStandIn, build
from jobs.rehearsal.targets import for_stand_in

PUBLIC: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama-3-70B": ("llama", {"hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80,
        "num_attention_heads": 64, "num_key_value_heads": 8, "vocab_size": 128256}),
    "Qwen3-235B-A22B": ("qwen3_moe", {"hidden_size": 4096, "intermediate_size": 12288, "moe_intermediate_size": 1536,
        "num_hidden_layers": 94, "num_attention_heads": 64, "num_key_value_heads": 4, "head_dim": 128,
        "num_experts": 128, "num_experts_per_tok": 8, "vocab_size": 151936}),
    "DeepSeek-V3": ("deepseek_v3", {}),
    "Mixtral-8x7B": ("mixtral", {}),
    "Gemma-2-9B": ("gemma2", {"hidden_size": 3584, "intermediate_size": 14336, "num_hidden_layers": 42,
        "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 256}),
    "GPT-2": ("gpt2", {}),
    "Phi-2": ("phi", {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 32,
        "num_attention_heads": 32, "partial_rotary_factor": 0.4, "vocab_size": 51200}),
    "GPT-OSS-120B": ("gpt_oss", {"num_local_experts": 128, "num_experts_per_tok": 4}),
}  # fmt: skip
"""Architecture and hyper-parameters as published, where they are not the architecture's defaults."""

ARCHITECTURES = (
    "apertus", "bitnet", "bloom", "cohere", "cohere2", "ctrl", "deepseek_v3", "ernie4_5_moe", "falcon", "falcon_h1",
    "falcon_mamba", "gemma", "gemma2", "gemma3_text", "gemma3n_text", "gemma4_text", "glm4", "glm4_moe", "gpt2",
    "gpt_bigcode", "gpt_neo", "gpt_neox", "gpt_oss", "gptj", "granite", "granitemoe", "granitemoehybrid", "helium",
    "hyperclovax", "jamba", "lfm2", "llama", "llama4_text", "mamba", "mamba2", "minimax", "ministral3", "mistral",
    "mixtral", "modernbert-decoder", "mpt", "nemotron_h", "olmo", "olmo2", "olmoe", "openai-gpt", "opt", "persimmon",
    "phi", "phi3", "phimoe", "qwen2", "qwen2_moe", "qwen3", "qwen3_5_moe_text", "qwen3_5_text", "qwen3_moe",
    "qwen3_next", "recurrent_gemma", "rwkv", "smollm3", "stablelm", "starcoder2", "xglm", "zamba2",
)  # fmt: skip
"""Those of whom the default configuration describes a model that can be built at all."""


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_model_of_real_size_gets_a_stand_in(name: str) -> None:
    kind, values = PUBLIC[name]
    config = AutoConfig.for_model(kind, **values)
    model, _ = build(config)
    assert model.config.model_type == kind
    assert model.config.vocab_size == config.vocab_size
    assert model.num_parameters() < 100 * model.config.vocab_size


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gemma3", "gemma4"])
def test_of_a_language_model_with_an_encoder_of_pictures_only_some_layers_are_kept(kind: str) -> None:
    config = AutoConfig.for_model(kind)
    model, layers = build(config)
    assert model.config.model_type == kind
    assert layers.stack == "model.language_model.layers"
    assert 0 < len(layers.stands_for) < config.get_text_config().num_hidden_layers


@pytest.mark.slow
def test_more_than_sixty_architectures_get_one_from_their_defaults() -> None:
    built = {kind: build(AutoConfig.for_model(kind))[0].config.model_type for kind in ARCHITECTURES}
    assert all(kind == got for kind, got in built.items()), built
    assert len(built) > 60


def test_each_kind_of_layer_is_kept_once() -> None:
    config = AutoConfig.for_model("gemma2", num_hidden_layers=10, vocab_size=100)
    _, layers = build(config)
    assert layers.stands_for == (0, 1), "a sliding and a full one"
    assert layers.stand_in_of == (0, 1) * 5


def test_dense_first_layers_keep_their_place_before_the_experts() -> None:
    config = AutoConfig.for_model("deepseek_v3", num_hidden_layers=6, vocab_size=100)
    model, layers = build(config)
    assert layers.stands_for == (0, 1, 2, 3)
    assert model.config.n_routed_experts == 4


def test_heads_and_their_size_keep_their_ratio_to_the_hidden_size() -> None:
    qwen = {"hidden_size": 4096, "num_attention_heads": 64, "num_key_value_heads": 4, "head_dim": 128}
    small = narrow(qwen, SHAPES[0])
    assert small["num_attention_heads"] * small["head_dim"] == 2 * small["hidden_size"]
    assert small["num_key_value_heads"] == 2


@pytest.mark.parametrize(("shared", "left"), [(1, 1), (8, 2), (64, 4)])
def test_shared_heads_stay_one_some_or_all(shared: int, left: int) -> None:
    values = {"hidden_size": 4096, "num_attention_heads": 64, "num_key_value_heads": shared}
    assert narrow(values, SHAPES[0])["num_key_value_heads"] == left


def test_what_is_not_a_size_stays_as_it_is() -> None:
    kept = {"vocab_size": 151936, "max_position_embeddings": 40960, "sliding_window": 4096, "tie_word_embeddings": True,
            "hidden_act": "silu", "eos_token_id": [1, 2], "shared_intermediate_size": 0}  # fmt: skip
    assert narrow(kept, SHAPES[0]) == kept


def test_lists_by_layer_and_lists_of_layers_are_picked() -> None:
    values = {"num_hidden_layers": 4, "layer_types": ["a", "b", "a", "b"], "mlp_only_layers": [1, 3]}
    assert keep_layers(values, (2, 3)) == {"num_hidden_layers": 2, "layer_types": ["a", "b"], "mlp_only_layers": [1]}


def test_what_cannot_be_built_is_said_in_words() -> None:
    with pytest.raises(NoStandIn, match="a small llama cannot be built"):
        build(AutoConfig.for_model("llama", hidden_act="no such thing"))


def test_the_same_stand_in_is_made_each_time() -> None:
    config = AutoConfig.for_model("llama", num_hidden_layers=2, vocab_size=100)
    one, other = build(config)[0], build(config)[0]
    assert all(bool((a == b).all()) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_patterns_that_name_layers_are_turned_to_those_that_are_left() -> None:
    _, layers = build(AutoConfig.for_model("gemma2", num_hidden_layers=10, vocab_size=100))
    assert for_stand_in(r"model\.layers\.7\.self_attn\.q_proj", layers) == ("model.layers.1.self_attn.q_proj",)
    assert for_stand_in(r".*\.(q|v)_proj", layers) == r".*\.(q|v)_proj"
    assert for_stand_in(["q_proj", "layers.8.mlp.up_proj"], layers) == ("q_proj", "model.layers.0.mlp.up_proj")
    assert for_stand_in("all-linear", layers) == "all-linear"
