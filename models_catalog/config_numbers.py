"""The numbers of a model's config.json, whatever its architecture calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = {
    "hidden_size": ("hidden_size", "n_embd", "d_model"),
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "intermediate_size": ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size"),
    "vocabulary_size": ("vocab_size",),
    "context_length": ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx"),
}
HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
KEY_VALUE_HEADS = ("num_key_value_heads", "num_kv_heads", "kv_n_heads")


def text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Models that also see or hear keep what concerns text in a part of its own."""
    part = config.get("text_config")
    return {**config, **part} if isinstance(part, dict) else config


def numbers(config: Mapping[str, Any]) -> dict[str, int]:
    """The model facts that config.json tells: widths, layers, vocabulary and context. Absent when not told."""
    config = text_part(config)
    found = {fact: _first(config, names) for fact, names in NAMES.items()}
    found["intermediate_size"] = found["intermediate_size"] or _times(4, found["hidden_size"])
    heads = _first(config, HEADS)
    head_size = _first(config, ("head_dim", "kv_channels")) or _share(found["hidden_size"], heads)
    found["attention_width"] = _times(heads, head_size)
    found["key_value_width"] = _times(_key_value_heads(config, heads), head_size)
    return {fact: number for fact, number in found.items() if number}


def _key_value_heads(config: Mapping[str, Any], heads: int | None) -> int | None:
    if config.get("multi_query") and not config.get("new_decoder_architecture"):
        return 1
    return _first(config, KEY_VALUE_HEADS) or heads


def _first(config: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    """The first of the names that holds a whole positive number."""
    values = (config.get(name) for name in names)
    return next((value for value in values if type(value) is int and value > 0), None)


def _times(one: int | None, other: int | None) -> int | None:
    return one * other if one and other else None


def _share(whole: int | None, parts: int | None) -> int | None:
    return whole // parts if whole and parts else None
