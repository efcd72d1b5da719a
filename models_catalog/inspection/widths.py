"""Sizes of a model that arithmetic and length rules need."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from jobs.rulebook.tree import Module, Tree

from ..config_numbers import numbers
from .towers import is_inside, towers

VISITED = ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_top_k", "moe_k", "top_k_experts")
_POSITIONS = re.compile(r"pos|wpe", re.IGNORECASE)
_TABLES = ("embed_positions", "pos_encoding")
TABLE_IN_CODE = frozenset({"mpt"})
"""MPT's attention biases are reckoned up to max_seq_len and looked up there; nothing in the tree shows it."""


def context_length(config: PretrainedConfig) -> int | None:
    return numbers(config.to_dict()).get("context_length")


def has_position_table(config: PretrainedConfig, model: PreTrainedModel) -> bool:
    """Positions are looked up in a table, learned or reckoned once, and a later one raises an index error."""
    if config.model_type in TABLE_IN_CODE:
        return True
    embeddings = (path for path, module in model.named_modules() if isinstance(module, nn.Embedding))
    buffers = (path for path, table in model.named_buffers() if table.dim() == 2)
    aside = towers(model)
    return any(_POSITIONS.search(name) for name in _leaves(embeddings, aside)) or any(
        name in _TABLES for name in _leaves(buffers, aside)
    )


def _leaves(paths: Iterable[str], aside: tuple[str, ...]) -> list[str]:
    return [path.rpartition(".")[2] for path in paths if not is_inside(path, aside)]


def widths(config: PretrainedConfig, model: PreTrainedModel, tree: Tree) -> dict[str, Any]:
    """The widths of config.json, defaults included, and what follows from the tree."""
    told = numbers(config.to_dict())
    told.pop("context_length", None)
    embedding: Any = model.get_input_embeddings()
    if embedding is not None:
        told["vocabulary_size"] = embedding.num_embeddings
    active = active_width(config, tree, told.get("hidden_size", 0))
    return told | ({"active_width": active} if active else {})


def active_width(config: PretrainedConfig, tree: Tree, hidden: int) -> int:
    """What one token goes through inside a mixture: the experts it visits and those that all share; 0 without one."""
    experts = [each for each in tree.modules if each.kind == "expert"]
    if not experts:
        return 0
    text = config.get_text_config()
    visited = next((size for name in VISITED if (size := _size(getattr(text, name, None)))), 1)
    shared = sum(each.inputs for each in tree.modules if _leads_out(each, hidden, beside=experts[0]))
    return visited * min(_inner(each, hidden) for each in experts) + shared


def _size(value: Any) -> int:
    """Some architectures list a number for each layer."""
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, int) else 0


def _inner(expert: Module, hidden: int) -> int:
    """The width that is not the model's. The matrix that leads in may hold two of them side by side."""
    return expert.outputs if expert.inputs == hidden else expert.inputs


def _leads_out(module: Module, hidden: int, *, beside: Module) -> bool:
    """A layer that ends an expert which every token visits."""
    mixture = beside.path.rpartition(".")[0].rpartition(".")[0]
    inside = module.path.startswith(f"{mixture}.") and module.layers <= beside.layers
    return inside and module.kind == "linear" and module.outputs == hidden
