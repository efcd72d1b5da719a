"""Which modules LoRA targets reach, as PEFT 0.21 resolves them, and what that costs.

A list names modules by the last parts of their paths, a text is a pattern on whole paths, and `all-linear` is every
linear layer but the output head. In mixtures of experts whose matrices were renamed, PEFT takes the older names for
parameters (`peft/utils/transformers_weight_conversion.py`), and reads `all-linear` as if the old layers were there.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .patterns import BadPattern, SlowPattern, full_matches
from .tree import LAYER, Module, Tree, read_modules

__all__ = [
    "ALL_LINEAR",
    "Module",
    "Reach",
    "Resolution",
    "Targets",
    "Tree",
    "nearest",
    "reached_by",
    "read_modules",
    "recommend",
    "resolve",
]

Targets = tuple[str, ...] | str
Layers = frozenset[int | None]
NO_LAYERS: Layers = frozenset()
Problem = Literal["", "nothing", "unsupported", "half-pair", "bad-pattern", "slow-pattern"]

ALL_LINEAR = "all-linear"
FLOAT32 = 4
HEADER_BYTES = 120
"""What safetensors writes about one tensor: its name, shape and place."""

SAVED_EMBEDDINGS = ("embed_tokens", "lm_head")
"""PEFT saves the whole matrix beside the adapter when one of these is named (`save_embedding_layers="auto"`)."""


@dataclass(frozen=True)
class Reach:
    """A line of the tree that gets adapters, in how many layers, at which rank, and their parameters in all."""

    module: Module
    count: int
    rank: int
    parameters: int


@dataclass(frozen=True)
class Resolution:
    """What PEFT would do with the targets.

    `names` counts the modules that each name reaches (for a pattern or all-linear: each kind of module reached);
    `unmatched` are names that reach none, which PEFT leaves out without a word. `unsupported` are modules that are
    reached and that PEFT cannot adapt. `problem` is why it would raise, else empty; `detail` says more about it.
    """

    names: Mapping[str, int]
    reached: tuple[Reach, ...] = ()
    unmatched: tuple[str, ...] = ()
    unsupported: tuple[Module, ...] = ()
    problem: Problem = ""
    detail: tuple[str, ...] = ()
    trainable: int = 0
    adapter_bytes: int = 0

    @property
    def modules(self) -> int:
        """How many modules and matrices get an adapter."""
        return sum(each.count for each in self.reached)

    @property
    def experts(self) -> tuple[str, ...]:
        """Names of the expert matrices reached."""
        return tuple(dict.fromkeys(each.module.leaf for each in self.reached if each.module.kind == "expert"))

    @property
    def expert_parameters(self) -> int:
        return sum(each.parameters for each in self.reached if each.module.kind == "expert")

    def with_role(self, *roles: str) -> tuple[Module, ...]:
        return tuple(each.module for each in self.reached if each.module.role in roles)


def is_all_linear(target: str) -> bool:
    return target.lower() == ALL_LINEAR


def resolve(targets: Targets, tree: Tree, rank: int, *, dora: bool = False, bytes_each: int = FLOAT32) -> Resolution:
    """What PEFT would adapt. Never raises; what PEFT would raise for is the resolution's `problem`.

    `bytes_each` are those of a saved parameter: adapters are kept in fp32, of quantized models in 16 bits.
    """
    return tree.remember(
        (targets, rank, dora, bytes_each), lambda: _Resolving(tree, targets, rank, dora, bytes_each).resolution()
    )


@dataclass
class _Resolving:
    """One resolution while it is made. `layers` are the layers reached of each line, by the line's number."""

    tree: Tree
    targets: Targets
    rank: int
    dora: bool
    bytes_each: int
    layers: dict[int, set[int | None]] = field(default_factory=lambda: defaultdict(set))
    names: dict[str, int] = field(default_factory=dict)

    def resolution(self) -> Resolution:
        if self.tree.renamed:
            return self._with_renamed()
        if not isinstance(self.targets, str):
            self._reach_by_names(self.targets)
            return self._finished()
        if is_all_linear(self.targets):
            self._reach_all_linear()
            return self._finished_by_kind()
        try:
            self._reach_by_pattern(self.targets)
        except BadPattern as error:
            return _bad(error)
        return self._finished_by_kind()

    def _reach_all_linear(self) -> None:
        for number, module in enumerate(self.tree.modules):
            if module.is_linear and module.role != "head":
                self.layers[number] |= module.layers

    def _reach_by_pattern(self, pattern: str) -> None:
        for path in full_matches(pattern, self.tree.paths):
            number, layer = self.tree.paths[path]
            self.layers[number].add(layer)

    def _reach_by_names(self, names: Iterable[str]) -> None:
        for name in dict.fromkeys(names):
            self.names[name] = self._reach_ending(name, modules=True)

    def _reach_ending(self, name: str, *, modules: bool) -> int:
        """Reach the modules (or the matrices) whose path ends so, and count them."""
        wanted, count = tuple(name.split(".")), 0
        for number, module in enumerate(self.tree.modules):
            layers = _matching_layers(module, wanted) if module.is_module is modules else NO_LAYERS
            if layers:
                self.layers[number] |= layers
                count += len(layers)
        return count

    def _with_renamed(self) -> Resolution:
        """As PEFT converts targets for mixtures whose experts were separate layers in transformers 4."""
        try:
            names = self._names_of_text(self.targets) if isinstance(self.targets, str) else self.targets
        except BadPattern as error:
            return _bad(error)
        meant = {old for name in names if (old := _old_name(name, self.tree))}
        for pair in self.tree.fused.values():
            if 0 < len(meant & set(pair)) < len(pair):
                return Resolution({}, problem="half-pair", detail=tuple(each for each in pair if each not in meant))
        for name in dict.fromkeys(names):
            old = _old_name(name, self.tree)
            ending = self.tree.renamed[old] if old else name
            self.names[name] = self._reach_ending(ending, modules=not old)
        return self._finished_by_kind() if isinstance(self.targets, str) else self._finished()

    def _names_of_text(self, text: str) -> tuple[str, ...]:
        """The last parts of what a text reaches, with old names of matrices whose old path it reaches."""
        if is_all_linear(text):
            linear = (each.leaf for each in self.tree.modules if each.is_linear and each.role != "head")
            return tuple(dict.fromkeys([*linear, *self.tree.renamed]))
        matrices = [each for each in self.tree.modules if not each.is_module]
        whole = {each.in_layer(layer): each.leaf for each in matrices for layer in each.layers}
        older = {
            f"{path.removesuffix(new)}{old}": old
            for path in whole
            for old, new in self.tree.renamed.items()
            if path.endswith(f".{new}")
        }
        leaves = {path: path.rpartition(".")[2] for path in self.tree.paths}
        every = {**older, **whole, **leaves}
        return tuple(dict.fromkeys(every[path] for path in full_matches(text, every)))

    def _finished_by_kind(self) -> Resolution:
        """The same, counting by what was reached."""
        counts: dict[str, int] = defaultdict(int)
        for number, layers in self.layers.items():
            counts[self.tree.modules[number].leaf] += len(layers)
        self.names = dict(counts)
        return self._finished()

    def _finished(self) -> Resolution:
        unmatched = tuple(name for name, count in self.names.items() if not count)
        lines = [(self.tree.modules[number], len(self.layers[number])) for number in sorted(self.layers)]
        unsupported = tuple(module for module, _ in lines if self._is_refused(module))
        reached = tuple(self._reach(module, count) for module, count in lines if module not in unsupported)
        trainable = sum(each.parameters for each in reached)
        return Resolution(
            self.names,
            reached,
            unmatched,
            unsupported,
            problem="unsupported" if unsupported else "" if reached else "nothing",
            trainable=trainable,
            adapter_bytes=self._bytes(reached),
        )

    def _is_refused(self, module: Module) -> bool:
        return module.kind == "other" or module.refused or (module.kind == "conv" and self.rank % module.groups != 0)

    def _reach(self, module: Module, count: int) -> Reach:
        """Fused matrices get one rank for each that they hold."""
        rank = self.rank * len(self.tree.fused.get(module.leaf, (module.leaf,)))
        return Reach(module, count, rank, count * _parameters(module, rank, dora=self.dora))

    def _bytes(self, reached: Iterable[Reach]) -> int:
        tensors = sum(each.count * (3 if self.dora else 2) for each in reached)
        each_kind = sum(each.parameters for each in reached)
        return each_kind * self.bytes_each + tensors * HEADER_BYTES + self._embeddings_saved() * self.bytes_each

    def _embeddings_saved(self) -> int:
        """Numbers of the embeddings that are saved whole."""
        if isinstance(self.targets, str) or not set(self.targets) & set(SAVED_EMBEDDINGS):
            return 0
        reached = (self.tree.modules[number] for number in self.layers)
        return sum(each.inputs * each.outputs for each in reached if each.role in ("embedding", "head"))


def _bad(error: BadPattern) -> Resolution:
    slow = isinstance(error, SlowPattern)
    return Resolution({}, problem="slow-pattern" if slow else "bad-pattern", detail=(str(error),))


def _matching_layers(module: Module, wanted: tuple[str, ...]) -> Layers:
    """Layers in which a module's path ends with the wanted parts; none when it does not."""
    if len(wanted) > len(module.parts):
        return NO_LAYERS
    layers: Layers = module.layers
    for part, want in zip(reversed(module.parts), reversed(wanted), strict=False):
        if part == LAYER:
            if not want.isdecimal() or str(int(want)) != want:
                return NO_LAYERS
            layers &= {int(want)}
        elif part != want:
            return NO_LAYERS
    return layers


def _old_name(name: str, tree: Tree) -> str:
    """The older name that a target ends with, else empty."""
    last = name.rpartition(".")[2]
    return last if last in tree.renamed else ""


def _parameters(module: Module, rank: int, *, dora: bool) -> int:
    """Numbers in one adapter. DoRA adds a size for every output."""
    ins, outs = module.inputs, module.outputs
    if module.kind == "conv":
        own = rank * ins * module.kernel + outs * rank // module.groups
    else:
        own = module.experts * rank * (ins + outs)
    return own + (outs if dora else 0)


def reached_by(name: str, tree: Tree) -> tuple[tuple[Module, int], ...]:
    """What one name of a list reaches, and in how many layers; of half a fused pair, what the whole would reach."""
    old = _old_name(name, tree)
    wanted = tuple((tree.renamed[old] if old else name).split("."))
    lines = (module for module in tree.modules if module.is_module is not bool(old))
    return tuple((module, len(layers)) for module in lines if (layers := _matching_layers(module, wanted)))


def recommend(tree: Tree) -> tuple[str, ...]:
    """Names for every linear layer that should carry an adapter.

    Not the output head, routers and gates of experts, layers that cannot carry one, and expert matrices. A name that
    would also reach something else is lengthened until it does not.
    """
    return tree.remember("recommended", lambda: _recommended(tree))


def _recommended(tree: Tree) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for module in tree.modules:
        if _is_wanted(module) and (name := _own_name(module, tree)):
            names[name] = None
    return tuple(names)


def _is_wanted(module: Module) -> bool:
    return module.is_linear and not module.role and not module.leaf.isdecimal()


def _own_name(module: Module, tree: Tree) -> str:
    """The shortest ending of its path that reaches no unwanted module; empty where there is none."""
    if module.leaf in tree.renamed:
        return ""
    for length in range(1, len(module.parts)):
        parts = module.parts[-length:]
        if LAYER in parts:
            return ""
        reached = [each for each in tree.modules if each.is_module and each.parts[-length:] == parts]
        if all(_is_wanted(each) for each in reached):
            return ".".join(parts)
    return ""


def nearest(name: str, tree: Tree, most: int = 3) -> tuple[str, ...]:
    """Real names that look like one that reaches nothing, nearest first."""
    last = name.strip().rpartition(".")[2]
    real = list(dict.fromkeys([*recommend(tree), *(each.leaf for each in tree.modules if each.is_linear)]))
    lower = {each.lower(): each for each in reversed(real)}
    return tuple(lower[each] for each in difflib.get_close_matches(last.lower(), lower, n=most, cutoff=0.6))
