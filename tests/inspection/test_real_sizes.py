"""Models of real size, from their public hyper-parameters: parameters, and what all-linear at rank 16 would train."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from jobs.rulebook.targets import read_modules, resolve

pytest.importorskip("torch")

from models_catalog.inspection.tree import look_at_tree

# config.json · parameters in millions · trained by all-linear at rank 16 in millions
REAL: dict[str, tuple[dict[str, Any], float, float]] = {
    "gpt2": ({"model_type": "gpt2"}, 124.4, 2.36),
    "gpt2-xl": ({"model_type": "gpt2", "n_embd": 1600, "n_layer": 48, "n_head": 25}, 1557.6, 19.66),
    "phi-2": (
        {"model_type": "phi", "vocab_size": 51200, "hidden_size": 2560, "intermediate_size": 10240,
         "num_hidden_layers": 32, "num_attention_heads": 32, "partial_rotary_factor": 0.4}, 2779.7, 23.59),
    "phi-3-mini": (
        {"model_type": "phi3", "vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192,
         "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32}, 3821.1, 25.17),
    "llama-3-8b": (
        {"model_type": "llama", "vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336,
         "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8}, 8030.3, 41.94),
    "llama-3-70b": (
        {"model_type": "llama", "vocab_size": 128256, "hidden_size": 8192, "intermediate_size": 28672,
         "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8}, 70553.7, 207.09),
    "mixtral-8x7b": (
        {"model_type": "mixtral", "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336,
         "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8}, 46702.8, 359.67),
    "qwen3-30b-a3b": (
        {"model_type": "qwen3_moe", "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 6144,
         "moe_intermediate_size": 768, "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4,
         "head_dim": 128, "num_experts": 128, "num_experts_per_tok": 8}, 30532.1, 996.51),
    "qwen3-235b-a22b": (
        {"model_type": "qwen3_moe", "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 12288,
         "moe_intermediate_size": 1536, "num_hidden_layers": 94, "num_attention_heads": 64, "num_key_value_heads": 4,
         "head_dim": 128, "num_experts": 128, "num_experts_per_tok": 8}, 235093.6, 3901.26),
    "deepseek-v3": ({"model_type": "deepseek_v3"}, 671026.4, 7645.25),
    "gemma-2-2b": (
        {"model_type": "gemma2", "vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216,
         "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256}, 2614.3, 20.77),
    "opt-125m": (
        {"model_type": "opt", "vocab_size": 50272, "hidden_size": 768, "ffn_dim": 3072, "num_hidden_layers": 12,
         "num_attention_heads": 12, "word_embed_proj_dim": 768}, 125.2, 2.65),
    "bloom-560m": ({"model_type": "bloom", "hidden_size": 1024, "n_layer": 24, "n_head": 16,
                    "vocab_size": 250880}, 559.2, 6.29),
    "gpt-j-6b": ({"model_type": "gptj", "vocab_size": 50400}, 6050.9, 33.03),
    "gpt-neox-20b": ({"model_type": "gpt_neox", "vocab_size": 50432}, 20554.6, 69.21),
    "gpt-oss-20b": ({"model_type": "gpt_oss", "num_hidden_layers": 24, "num_local_experts": 32}, 20914.8, 7.96),
}  # fmt: skip


def look(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    (folder / "config.json").write_text(json.dumps(config))
    return look_at_tree(folder).facts


@pytest.mark.parametrize(("config", "parameters", "trained"), REAL.values(), ids=REAL)
def test_parameters_and_adapters_are_those_of_the_real_model(
    tmp_path: Path, config: dict[str, Any], parameters: float, trained: float
) -> None:
    facts = look(tmp_path, config)
    assert round(facts["parameters"] / 10**6, 1) == parameters
    found = resolve("all-linear", read_modules(facts["modules"], facts["renamed_targets"]), 16)
    assert round(found.trainable / 10**6, 2) == trained


@pytest.mark.parametrize(("name", "seconds"), [("llama-3-70b", 1.0), ("qwen3-235b-a22b", 3.0), ("deepseek-v3", 3.0)])
@pytest.mark.benchmark
def test_a_look_at_the_largest_models_takes_seconds(tmp_path: Path, name: str, seconds: float) -> None:
    """Warm: the libraries are imported, and the architecture was looked at before."""
    look(tmp_path, REAL[name][0])
    began = time.perf_counter()
    look(tmp_path, REAL[name][0])
    took = time.perf_counter() - began
    print(json.dumps({"name": f"inspect {name}", "ours": round(took, 3), "unit": "s", "goal": seconds}))
    assert took < seconds
