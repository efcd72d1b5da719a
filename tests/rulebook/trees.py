"""Modules of some well-known models, as an inspection finds them, written down by hand."""

from __future__ import annotations

from typing import Any


def line(path: str, layers: int, kind: str = "other", inputs: int = 0, outputs: int = 0, **more: Any) -> dict[str, Any]:
    shape = {"kind": kind, "inputs": inputs, "outputs": outputs} if kind != "other" else {}
    return {"path": path, "at": [[0, layers - 1]] if layers else [], **shape, **more}


def _attention(layers: int, hidden: int, query: int, key_value: int) -> list[dict[str, Any]]:
    block = "model.layers.{}.self_attn"
    return [
        line(block, layers),
        line(f"{block}.q_proj", layers, "linear", hidden, query),
        line(f"{block}.k_proj", layers, "linear", hidden, key_value),
        line(f"{block}.v_proj", layers, "linear", hidden, key_value),
        line(f"{block}.o_proj", layers, "linear", query, hidden),
    ]


def _around(layers: int, hidden: int, words: int, middle: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        line("model", 0),
        line("model.embed_tokens", 0, "embedding", words, hidden, role="embedding"),
        line("model.layers", 0),
        line("model.layers.{}", layers),
        *middle,
        line("model.layers.{}.input_layernorm", layers),
        line("model.norm", 0),
        line("lm_head", 0, "linear", hidden, words, role="head"),
    ]


def _mixture(layers: int, hidden: int, inner: int, experts: int) -> list[dict[str, Any]]:
    block = "model.layers.{}.mlp"
    return [
        line(block, layers),
        line(f"{block}.gate", layers),
        line(f"{block}.gate.weight", layers, "parameter", hidden, experts, role="router"),
        line(f"{block}.experts", layers),
        line(f"{block}.experts.gate_up_proj", layers, "expert", 2 * inner, hidden, experts=experts),
        line(f"{block}.experts.down_proj", layers, "expert", hidden, inner, experts=experts),
    ]


LLAMA_8B = _around(32, 4096, 128_256, [
    *_attention(32, 4096, 4096, 1024),
    line("model.layers.{}.mlp", 32),
    line("model.layers.{}.mlp.gate_proj", 32, "linear", 4096, 14_336),
    line("model.layers.{}.mlp.up_proj", 32, "linear", 4096, 14_336),
    line("model.layers.{}.mlp.down_proj", 32, "linear", 14_336, 4096),
])  # fmt: skip
GPT2_SMALL = [
    line("transformer", 0),
    line("transformer.wte", 0, "embedding", 50_257, 768, role="embedding"),
    line("transformer.wpe", 0, "embedding", 1024, 768),
    line("transformer.h.{}", 12),
    line("transformer.h.{}.ln_1", 12),
    line("transformer.h.{}.attn", 12),
    line("transformer.h.{}.attn.c_attn", 12, "conv1d", 768, 2304),
    line("transformer.h.{}.attn.c_proj", 12, "conv1d", 768, 768),
    line("transformer.h.{}.mlp", 12),
    line("transformer.h.{}.mlp.c_fc", 12, "conv1d", 768, 3072),
    line("transformer.h.{}.mlp.c_proj", 12, "conv1d", 3072, 768),
    line("lm_head", 0, "linear", 768, 50_257, role="head"),
]
MAMBA_130M = [
    line("backbone.layers.{}.mixer", 24),
    line("backbone.layers.{}.mixer.conv1d", 24, "conv", 1536, 1536, kernel=4, groups=1536, role="unfit", refused=True),
    line("backbone.layers.{}.mixer.in_proj", 24, "linear", 768, 3072),
    line("backbone.layers.{}.mixer.x_proj", 24, "linear", 1536, 80),
    line("backbone.layers.{}.mixer.dt_proj", 24, "linear", 48, 1536, role="unfit"),
    line("backbone.layers.{}.mixer.out_proj", 24, "linear", 1536, 768, role="unfit", refused=True),
    line("backbone.layers.{}.norm", 24),
    line("lm_head", 0, "linear", 768, 50_280, role="head"),
]
W = {"gate": "gate.weight", "w1": "gate_up_proj", "w3": "gate_up_proj", "w2": "down_proj"}
GATES = {"gate": "gate.weight", "gate_proj": "gate_up_proj", "up_proj": "gate_up_proj", "down_proj": "down_proj"}

LLAMA: dict[str, Any] = {"modules": LLAMA_8B, "renamed": {}}
GPT2: dict[str, Any] = {"modules": GPT2_SMALL, "renamed": {}}
MAMBA: dict[str, Any] = {"modules": MAMBA_130M, "renamed": {}}
MIXTRAL: dict[str, Any] = {
    "modules": _around(32, 4096, 32_000, [*_attention(32, 4096, 4096, 1024), *_mixture(32, 4096, 14_336, 8)]),
    "renamed": W,
}
QWEN_MOE: dict[str, Any] = {
    "modules": _around(94, 4096, 151_936, [*_attention(94, 4096, 8192, 512), *_mixture(94, 4096, 1536, 128)]),
    "renamed": GATES,
}
