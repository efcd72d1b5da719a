"""A model's modules, built from its config.json alone on the `meta` device: no weights, no code of strangers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel

from jobs.rulebook.targets import recommend
from jobs.rulebook.tree import Module, Tree, read_modules

from .building import CannotBuild, build, read_config
from .lines import module_lines, renamed_targets
from .part import Part
from .towers import towers
from .training import packing, untrainable
from .widths import context_length, has_position_table, widths


def look_at_tree(folder: Path) -> Part:
    """Facts about the architecture. One that cannot be built has the fact `unbuildable` and a problem that says why."""
    try:
        config = read_config(folder)
        model = build(config)
    except CannotBuild as error:
        return Part({"unbuildable": str(error)}, problems=[{"code": "tree-unbuildable", "message": str(error)}])
    facts = tree_facts(config, model)
    return Part(facts, {"architecture": type(model).__name__, "model_type": config.model_type})


def tree_facts(config: PretrainedConfig, model: PreTrainedModel) -> dict[str, Any]:
    """What rules may read. A fact that says nothing is left out, so that what is known otherwise stands."""
    lines, renamed = module_lines(model), renamed_targets(config)
    tree = read_modules(lines, renamed)
    facts: dict[str, Any] = {
        "unbuildable": "",
        "modules": lines,
        "renamed_targets": renamed,
        "towers": list(towers(model)),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "tied_embedding": tied_embedding(model),
        "position_table": has_position_table(config, model),
        "context_length": context_length(config),
        "supports_checkpointing": bool(model.supports_gradient_checkpointing),
        "lora_targets": list(recommend(tree)),
        "lora_modules": list(dict.fromkeys(_carrying(tree))),
        "expert_modules": list(_experts(tree)),
        "unfit_modules": list(dict.fromkeys(each.leaf for each in tree.modules if each.is_linear and _is_unfit(each))),
        "untrainable": untrainable(config, model),
        **packing(config),
        **widths(config, model, tree),
    }
    return {name: value for name, value in facts.items() if value is not None}


def tied_embedding(model: PreTrainedModel) -> str:
    """Last part of the embedding's name where the output head is the same matrix, else empty."""
    embedding: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if head is None or _weight(head) is not _weight(embedding):
        return ""
    path: str = next(path for path, module in model.named_modules() if module is embedding)
    return path.rpartition(".")[2]


def _weight(module: torch.nn.Module) -> Any:
    return getattr(module, "weight", None)


def _is_unfit(module: Module) -> bool:
    return module.role == "unfit"


def _carrying(tree: Tree) -> Iterator[str]:
    """Names that can carry an adapter."""
    for module in tree.modules:
        if module.is_module and module.kind != "other" and module.role not in ("head", "unfit"):
            yield module.leaf
    yield from _experts(tree)


def _experts(tree: Tree) -> Iterator[str]:
    """Names under which PEFT reaches experts and their router."""
    return (old for old, new in tree.renamed.items() if tree.ending(new))
