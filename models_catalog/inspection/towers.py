"""Parts of a model that no text passes through: encoders of pictures and sound around a language model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn
from transformers import PreTrainedModel


def towers(model: PreTrainedModel) -> tuple[str, ...]:
    """Paths of the largest parts with weights that lie beside the language model. Empty for a language model alone."""
    if not _wraps_a_language_model(model):
        return ()
    ends: tuple[Any, ...] = (model.get_input_embeddings(), model.get_output_embeddings())  # type: ignore[no-untyped-call]
    kept = {id(each) for each in (model.get_decoder(), *ends)}  # type: ignore[no-untyped-call]
    return tuple(_beside(model, kept, ""))


def is_inside(path: str, parts: tuple[str, ...]) -> bool:
    return any(path == part or path.startswith(f"{part}.") for part in parts)


def _wraps_a_language_model(model: PreTrainedModel) -> bool:
    """Its configuration holds that of a language model as a part, and the model has it as a module of its own."""
    try:
        is_part = model.config.get_text_config() is not model.config
    except ValueError:  # several parts read or write text; none is the language model
        return False
    return is_part and model.get_decoder() not in (model, model.base_model)  # type: ignore[no-untyped-call]


def _beside(module: nn.Module, kept: set[int], before: str) -> Iterator[str]:
    for name, child in module.named_children():
        path = f"{before}{name}"
        if id(child) in kept:
            continue
        if any(id(inner) in kept for inner in child.modules()):
            yield from _beside(child, kept, f"{path}.")
        elif any(True for _ in child.parameters()):
            yield path
