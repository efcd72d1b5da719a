"""Which kinds of layers a model has, seen on the model itself rather than told by its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

NUMBERS = ("layer_idx", "layer_id", "layer_number", "layer_index", "idx")
"""What a layer knows about where it stands. It makes no other kind of layer."""


def find_layers(model: nn.Module, depth: int) -> tuple[str, nn.ModuleList] | None:
    """The stack of `depth` layers and its name; the outermost one, should experts be as many."""
    stacks = (
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == depth
    )
    return min(stacks, key=lambda stack: stack[0].count("."), default=None)


def kinds_of(layers: nn.ModuleList, told: Sequence[tuple[str, ...]]) -> list[tuple[Any, ...]]:
    """One kind for each layer; two layers are of one kind when they are built alike and were `told` the same."""
    return [(words, *map(_traits, layer.named_modules())) for words, layer in zip(told, layers, strict=True)]


def _traits(named: tuple[str, nn.Module]) -> tuple[Any, ...]:
    """Name, class and switches of a module. Sizes are left out: a stand-in changes those."""
    name, module = named
    switches = sorted(
        (key, value if isinstance(value, str | bool | int) else value is None)
        for key, value in vars(module).items()
        if not key.startswith("_") and key not in NUMBERS and _is_switch(value)
    )
    return name, type(module).__name__, *switches


def _is_switch(value: Any) -> bool:
    return value is None or isinstance(value, str | bool) or (isinstance(value, int) and value in (0, 1))


def first_of_each(kinds: Sequence[Any]) -> tuple[int, ...]:
    """The numbers of the first layer of each kind."""
    return tuple(sorted({kind: number for number, kind in reversed(list(enumerate(kinds)))}.values()))
