"""The modules of a model, as the fact `modules` holds them: one line for a module and its twins in all layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar

LAYER = "{}"
"""Stands in a path for the number of the layer."""

Kind = Literal["linear", "conv1d", "embedding", "conv", "expert", "parameter", "other"]
Role = Literal["", "head", "router", "embedding", "unfit"]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Module:
    """A module, or a matrix that PEFT can adapt without a module, in every layer of the same path and shape.

    `at` are inclusive ranges of layers, empty where the path has none. `inputs` and `outputs` are its widths; those of
    an embedding are its rows and its width. `conv1d` is GPT-2's linear layer. An `expert` is one matrix for each of
    `experts`, a `parameter` a plain one; neither is a module. `other` are containers, norms and the like, which PEFT
    cannot adapt.

    Role: `unfit` can carry no adapter although its kind could; `refused` means that PEFT says so, else it would train
    without a gradient or break the first step.
    """

    path: str
    at: tuple[tuple[int, int], ...] = ()
    kind: Kind = "other"
    inputs: int = 0
    outputs: int = 0
    role: Role = ""
    experts: int = 1
    kernel: int = 1
    groups: int = 1
    refused: bool = False

    @property
    def leaf(self) -> str:
        """The last part of its path."""
        return self.path.rpartition(".")[2]

    @cached_property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.path.split("."))

    @cached_property
    def layers(self) -> frozenset[int | None]:
        """Numbers of the layers it is in; `None` for a module outside of layers."""
        if LAYER not in self.parts:
            return frozenset([None])
        return frozenset(layer for first, last in self.at for layer in range(first, last + 1))

    @property
    def count(self) -> int:
        return len(self.layers)

    @property
    def is_linear(self) -> bool:
        return self.kind in ("linear", "conv1d")

    @property
    def is_module(self) -> bool:
        return self.kind not in ("expert", "parameter")

    def in_layer(self, layer: int | None) -> str:
        """The whole path in one layer."""
        return self.path if layer is None else self.path.replace(LAYER, str(layer), 1)


class Tree:
    """All modules of a model in their order, and the older names under which PEFT reaches expert matrices.

    `renamed` maps such a name to the ending of the matrices it means: Mixtral's `w1` and `w3` are both `gate_up_proj`.
    """

    def __init__(self, modules: Sequence[Module], renamed: Mapping[str, str]) -> None:
        self.modules = tuple(modules)
        self.renamed = dict(renamed)
        self._remembered: dict[Any, Any] = {}

    def remember(self, key: Any, reckon: Callable[[], Result]) -> Result:
        """What was reckoned from this tree before; it never changes."""
        if key not in self._remembered:
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = reckon()
        result: Result = self._remembered[key]
        return result

    @cached_property
    def fused(self) -> dict[str, tuple[str, ...]]:
        """Matrices that hold several older ones: the new ending and the names of all of them."""
        new_names = dict.fromkeys(self.renamed.values())
        olds = {new: tuple(old for old, name in self.renamed.items() if name == new) for new in new_names}
        return {new: names for new, names in olds.items() if len(names) > 1}

    @cached_property
    def paths(self) -> dict[str, tuple[int, int | None]]:
        """Every whole path of a module, with its line's number and its layer."""
        return {
            module.in_layer(layer): (number, layer)
            for number, module in enumerate(self.modules)
            if module.is_module
            for layer in sorted(module.layers, key=lambda layer: layer or 0)
        }

    def ending(self, suffix: str) -> list[Module]:
        """Matrices whose path ends so."""
        return [each for each in self.modules if not each.is_module and each.path.endswith(f".{suffix}")]


REMEMBERED = 256
_TREES = 32
_read: dict[int, tuple[Any, Any, Tree]] = {}


def read_modules(modules: Sequence[Mapping[str, Any]], renamed: Mapping[str, str] | None = None) -> Tree:
    """The facts `modules` and `renamed_targets` as a tree. The same list is read once as long as it is in use."""
    known = _read.get(id(modules))
    if known and known[0] is modules and known[1] == renamed:
        return known[2]
    tree = Tree([_module(line) for line in modules], renamed or {})
    if len(_read) >= _TREES:
        _read.clear()
    _read[id(modules)] = (modules, renamed, tree)
    return tree


def _module(line: Mapping[str, Any]) -> Module:
    return Module(**{**line, "at": tuple((first, last) for first, last in line.get("at", ()))})
