"""Makes a model's configuration small: every width shrinks, everything that decides how the model works stays.

Vocabulary, special tokens, position table, attention options, activation, ties and the *kinds* of layers are the real
model's. Widths become tiny, and related ones stay related: heads times their size keep their ratio to the hidden
size, so `heads x size = hidden` or `= 2 x hidden` (Qwen3, Mamba) still holds afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HIDDEN = 32
"""Width of a stand-in. Its embedding is the only large thing: 32 x 262,144 tokens x 4 bytes = 34 MB."""


@dataclass(frozen=True)
class Shape:
    """How the hidden size is divided into heads. Two, because a rotary share of a head must come to an even number."""

    heads: int
    head_size: int


SHAPES = (Shape(4, 8), Shape(2, 16))

HIDDEN_SIZES = ("hidden_size", "n_embd", "d_model", "dim_model", "emb_dim")
DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "num_decoder_layers")
LISTS = ("layers_block_type", "layer_types")
TEXT = "text_config"
"""The part that describes the language model, where there are encoders of pictures or sound beside it."""
HEADS = ("num_attention_heads", "n_head", "n_heads", "attention_heads", "num_heads", "decoder_attention_heads")

WITH_HIDDEN = frozenset((*HIDDEN_SIZES, "attention_hidden_size", "embedding_size", "lru_width", "mamba_d_ssm",
                         "word_embed_proj_dim"))  # fmt: skip
"""Widths that keep their ratio to the hidden size."""

HEAD_SIZES = {
    "head_dim": HEADS,
    "attention_head_dim": HEADS,
    "attention_head_size": HEADS,
    "global_head_dim": HEADS,
    "kv_channels": HEADS,
    "dim_head": HEADS,
    "d_head": HEADS,
    "swa_head_dim": ("swa_num_attention_heads",),
    "mamba_d_head": ("mamba_n_heads",),
    "mamba_head_dim": ("mamba_num_heads",),
    "mamba_headdim": ("n_mamba_heads",),
    "linear_key_head_dim": ("linear_num_key_heads",),
    "linear_value_head_dim": ("linear_num_value_heads",),
    "linear_head_dim": ("linear_num_heads",),
}
"""The size of a head, and where its heads are counted."""

HEAD_COUNTS = frozenset((*HEADS, "encoder_attention_heads", "num_decoder_attention_heads", "swa_num_attention_heads",
                         "num_attention_heads_per_layer", "mamba_n_heads", "mamba_num_heads", "n_mamba_heads",
                         "linear_num_value_heads", "linear_num_heads", "index_n_heads"))  # fmt: skip

SHARED_HEADS = {
    "num_key_value_heads": HEADS,
    "num_kv_heads": HEADS,
    "kv_n_heads": HEADS,
    "num_query_groups": HEADS,
    "num_global_key_value_heads": HEADS,
    "swa_num_key_value_heads": ("swa_num_attention_heads",),
    "linear_num_key_heads": ("linear_num_value_heads",),
}
"""Heads that several others share, and where those are counted: all, one or some of them."""

AT_MOST = {
    # feed-forward
    "intermediate_size": 64, "n_inner": 64, "ffn_dim": 64, "ffn_hidden_size": 64, "dff": 64, "dim_ff": 64,
    "decoder_ffn_dim": 64, "encoder_ffn_dim": 64, "feed_forward_size": 64, "block_ff_dim": 64, "d_inner": 64,
    "intermediate_size_mlp": 64, "dense_intermediate_size": 64, "block_multiple_of": 16,
    # experts
    "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16, "shared_experts_intermediate_size": 16,
    "moe_shared_expert_intermediate_size": 16, "expert_ffn_hidden_size": 16, "shared_intermediate_size": 32,
    "moe_latent_size": 16, "router_hidden_size": 16,
    "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "moe_num_experts": 4, "zero_expert_num": 2,
    "num_experts_per_tok": 2, "num_experts_per_token": 2, "moe_topk": 2, "moe_k": 2, "moe_top_k": 2,
    "n_shared_experts": 1, "num_shared_experts": 1, "moe_num_shared_experts": 1,
    "n_group": 2, "num_expert_group": 2, "topk_group": 1,
    # latent attention
    "kv_lora_rank": 8, "q_lora_rank": 8, "o_lora_rank": 8, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4,
    "v_head_dim": 8, "index_head_dim": 8, "o_groups": 2,
    # state spaces and other recurrences
    "state_size": 8, "ssm_state_size": 8, "mamba_d_state": 8, "time_step_rank": 4, "mamba_dt_rank": 4,
    "n_groups": 2, "mamba_n_groups": 2, "mamba_ngroups": 2, "chunk_size": 64, "mamba_chunk_size": 64,
    "block_size": 64,
    # the rest
    "rotary_dim": 4, "hidden_size_per_layer_input": 8, "adapter_rank": 4, "laurel_rank": 4, "hc_lowrank": 4,
    "gated_norm_rank": 4, "ple_embed_dim": 16, "ngram_vocab_size_base": 1000, "d_rel": 8,
    "encoder_layers": 1, "num_encoder_layers": 1,
}  # fmt: skip
"""Sizes that become small whatever else there is. What is smaller already stays: 0 means none, 1 means one."""

SPREAD = HIDDEN**-0.5
"""Random weights of this spread keep signals as large as they came in; usual ones would drown an adapter's effect."""
SPREADS = ("initializer_range", "init_std")


def narrow(config: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """`config` with small widths and all of its layers. Raises nothing: what cannot be built is found by building."""
    return _narrow(config, config, shape)


def _narrow(part: Mapping[str, Any], whole: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """Parts of a configuration (`attn_config`, one layer's own sizes) look up in the whole what they lack."""
    known = {**whole, **part}
    small = {name: _smaller(name, value, known, shape) for name, value in part.items()}
    if "qk_rope_head_dim" in part:
        _relate_latent_heads(part, small)
    return small


def _smaller(name: str, value: Any, known: Mapping[str, Any], shape: Shape) -> Any:
    if isinstance(value, Mapping):
        if name.startswith("rope"):
            return _narrow_rope(value, known, shape)
        return _narrow(value, known, shape)
    if isinstance(value, list) and value and all(_is_size(each) for each in value):
        return [_smaller(name, each, known, shape) for each in value]
    if name in SPREADS:
        return SPREAD
    if not _is_size(value):
        return value
    return _smaller_size(name, value, known, shape)


def _smaller_size(name: str, value: int, known: Mapping[str, Any], shape: Shape) -> int:
    if name in WITH_HIDDEN:
        return max(1, round(value * HIDDEN / _first(known, HIDDEN_SIZES, value)))
    if name in HEAD_COUNTS:
        return _heads(value, shape)
    if name in SHARED_HEADS:
        return _shared_heads(value, _first(known, SHARED_HEADS[name], value), shape)
    if name in HEAD_SIZES:
        return _head_size(value, _first(known, HEAD_SIZES[name], 1), known, shape)
    return min(value, AT_MOST.get(name, value))


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _first(known: Mapping[str, Any], names: Sequence[str], default: int) -> int:
    return next((known[name] for name in names if _is_size(known.get(name)) and known[name]), default)


def _heads(count: int, shape: Shape) -> int:
    """A power of two, which divides the hidden size; one head stays one."""
    return next(few for few in (shape.heads, 2, 1, 0) if few <= count)


def _shared_heads(count: int, heads: int, shape: Shape) -> int:
    """Every head its own, all the same one, or a few of them."""
    few = _heads(heads, shape)
    if count >= heads or count <= 1:
        return min(count, few)
    return max(1, few // 2)


def _head_size(size: int, heads: int, known: Mapping[str, Any], shape: Shape) -> int:
    """Heads times size keep their ratio to the hidden size, to the next multiple of 4."""
    if "qk_rope_head_dim" in known:
        return min(size, AT_MOST["qk_rope_head_dim"])
    share = size * heads / _first(known, HIDDEN_SIZES, size * heads)
    return max(4, 4 * round(HIDDEN * share / _heads(heads, shape) / 4))


def _relate_latent_heads(part: Mapping[str, Any], small: dict[str, Any]) -> None:
    """In latent attention a head has a rotary and a plain part."""
    if "qk_head_dim" in part:
        small["qk_head_dim"] = small.get("qk_nope_head_dim", 0) + small["qk_rope_head_dim"]


def _narrow_rope(rope: Mapping[str, Any], known: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """Lists with one number for each pair of rotated dimensions get as many as are left."""
    known = {**known, **rope}
    share = known.get("partial_rotary_factor") or 1.0
    heads = _first(known, HEADS, 1)
    size = _first(known, ("head_dim",), _first(known, HIDDEN_SIZES, HIDDEN) // heads)
    pairs = int(_head_size(size, heads, known, shape) * share) // 2
    small: dict[str, Any] = {}
    for name, value in rope.items():
        if isinstance(value, Mapping):
            small[name] = _narrow_rope(value, known, shape)
        elif name in ("short_factor", "long_factor"):
            small[name] = list(value)[:pairs]
        elif name == "mrope_section":
            small[name] = _divide(pairs, len(value))
        else:
            small[name] = value
    return small


def _divide(total: int, parts: int) -> list[int]:
    return [total // parts + (number < total % parts) for number in range(parts)]


def keep_layers(config: Mapping[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """`config` with some of its layers only, given by their numbers: whatever is listed by layer is picked."""
    if isinstance(text := config.get(TEXT), Mapping):
        return {**config, TEXT: keep_layers(text, kept)}
    depth = depth_of(config)
    return {name: _pick(name, value, depth, kept) for name, value in config.items()}


def depth_of(config: Mapping[str, Any]) -> int:
    """The number of layers, 0 where the configuration does not say. Some only list what each of them is."""
    config = _of_text(config)
    listed = next((len(config[name]) for name in LISTS if isinstance(config.get(name), list)), 0)
    return _first(config, DEPTHS, listed)


def per_layer(config: Mapping[str, Any], layer: int) -> tuple[str, ...]:
    """All that the configuration says about one layer by itself."""
    config = _of_text(config)
    depth = depth_of(config)
    return tuple(f"{name}={value[layer]}" for name, value in config.items() if _by_layer(name, value, depth))


def _of_text(config: Mapping[str, Any]) -> Mapping[str, Any]:
    text = config.get(TEXT)
    return text if isinstance(text, Mapping) else config


def _by_layer(name: str, value: Any, depth: int) -> bool:
    return isinstance(value, list) and len(value) == depth > 0 and not _lists_layers(name, value, depth)


def _pick(name: str, value: Any, depth: int, kept: Sequence[int]) -> Any:
    if name in DEPTHS and value == depth:
        return len(kept)
    if _lists_layers(name, value, depth):
        return [kept.index(number) for number in value if number in kept]
    if _by_layer(name, value, depth):
        return [value[number] for number in kept]
    if name == "per_layer_config" and isinstance(value, Mapping):
        return {f"{kept.index(int(key)):02}": each for key, each in value.items() if int(key) in kept}
    if name == "num_kv_shared_layers":
        return sum(number >= depth - value for number in kept)
    if name == "max_window_layers":
        return sum(number < value for number in kept)
    return value


def _lists_layers(name: str, value: Any, depth: int) -> bool:
    """Rising numbers below the depth, under a name that speaks of layers: those that are dense, hybrid, ..."""
    speaks = "layer" in name or name.endswith("idxs")
    if not (speaks and isinstance(value, list) and value and all(_is_size(each) for each in value)):
        return False
    return value == sorted(set(value)) and value[-1] < depth
