"""The modules of a model as a tree one can tick: what LoRA reaches, what it cannot, and what that costs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import humanize

from jobs.rulebook.targets import Resolution, Targets, read_modules, resolve
from jobs.rulebook.tree import LAYER, Module, Tree
from jobs.rulebook.words import magnitude

WHY_NOT = {
    "head": "the output head; one adapts the layers below it",
    "router": "chooses the experts; trained alone it unbalances them",
    "embedding": "an embedding: it is looked up, not multiplied",
    "unfit": "cannot carry an adapter",
}
WHY_NO_EXPERT = "matrices of all experts in one block; adapters on them are large"
SHOWN = ("linear", "conv1d", "conv", "embedding", "expert")


@dataclass(frozen=True)
class Leaf:
    """Modules of one path in all layers. `why_not` says why it is not offered, empty when it can be ticked."""

    path: str
    name: str
    count: int = 1
    reached: int = 0
    shape: str = ""
    advised: bool = False
    why_not: str = ""

    @property
    def id(self) -> str:
        """Ids carry no dots: a dot begins a class in a selector."""
        return "tick-" + self.path.replace(".", "-").replace(LAYER, "n")

    @property
    def ticked(self) -> bool:
        return self.reached == self.count

    @property
    def partly(self) -> bool:
        return 0 < self.reached < self.count


@dataclass(frozen=True)
class Branch:
    """A part of the model that holds others. `layers` is how often it is repeated, 0 when it stands once."""

    name: str
    layers: int
    children: list[Branch | Leaf]

    is_branch = True


@dataclass(frozen=True)
class LoraTree:
    """What the page shows of the targets. `resolution` is None where only names of the family are known."""

    children: list[Branch | Leaf]
    targets: Targets
    resolution: Resolution | None
    parameters: int | None
    leaves: list[Leaf] = field(default_factory=list)

    @property
    def is_assumed(self) -> bool:
        return self.resolution is None

    @property
    def is_text(self) -> bool:
        """The targets are a pattern or all-linear; ticking would replace them by names."""
        return isinstance(self.targets, str)

    @property
    def reached_names(self) -> list[tuple[str, int]]:
        return list(self.resolution.names.items()) if self.resolution else []

    @property
    def trainable(self) -> str:
        return magnitude(self.resolution.trainable) if self.resolution else ""

    @property
    def percent(self) -> str:
        if not self.resolution or not self.parameters:
            return ""
        return f"{100 * self.resolution.trainable / self.parameters:.2g} %"

    @property
    def size(self) -> str:
        """Of the adapter's file."""
        return humanize.naturalsize(self.resolution.adapter_bytes) if self.resolution else ""

    def named(self, ticked: Collection[str]) -> tuple[str, ...]:
        """Targets that reach the ticked paths in every layer, and nothing else where a name can tell them apart."""
        chosen = [leaf.path for leaf in self.leaves if not leaf.why_not and leaf.path in ticked]
        others = [leaf.path for leaf in self.leaves if leaf.path not in chosen and leaf.why_not != WHY_NO_EXPERT]
        return tuple(dict.fromkeys(_name(path, others) for path in chosen))


def lora_tree(facts: Mapping[str, Any], targets: Targets, *, rank: int, dora: bool = False) -> LoraTree | None:
    """The tree for some targets; from the family's names where the model was not looked into, None without those."""
    if facts.get("modules"):
        tree = read_modules(facts["modules"], facts.get("renamed_targets"))
        return _from_tree(tree, targets, resolve(targets, tree, rank, dora=dora), facts)
    leaves = list(_from_names(facts, targets))
    return LoraTree(list(leaves), targets, None, facts.get("parameters"), leaves) if leaves else None


def _from_names(facts: Mapping[str, Any], targets: Targets) -> Iterator[Leaf]:
    """Those recommended come first."""
    advised = facts.get("lora_targets") or ()
    for name in dict.fromkeys([*advised, *(facts.get("lora_modules") or ())]):
        ticked = not isinstance(targets, str) and name in targets
        why_not = WHY_NO_EXPERT if name in (facts.get("expert_modules") or ()) else ""
        yield Leaf(name, name, reached=int(ticked), advised=name in advised, why_not=why_not)


def _from_tree(tree: Tree, targets: Targets, resolution: Resolution, facts: Mapping[str, Any]) -> LoraTree:
    reached = {each.module: each.count for each in resolution.reached}
    advised = resolve(tuple(facts.get("lora_targets") or ()), tree, 1)
    wanted = {each.module for each in advised.reached}
    shown = [module for module in tree.modules if module.kind in SHOWN or module in reached]
    leaves = [
        _leaf(list(twins), reached, wanted, tree.renamed) for _, twins in groupby(shown, key=lambda module: module.path)
    ]
    layers = {module.path: module.layers for module in shown if LAYER in module.parts}
    children = list(_children([(leaf.path.split("."), leaf) for leaf in leaves], layers))
    return LoraTree(children, targets, resolution, facts.get("parameters"), leaves)


def _leaf(
    twins: Sequence[Module], reached: Mapping[Module, int], wanted: Collection[Module], renamed: Collection[str]
) -> Leaf:
    """One line of the tree. Twins have the same path and other widths in other layers."""
    first = twins[0]
    return Leaf(
        path=first.path,
        name=first.leaf,
        count=sum(module.count for module in twins),
        reached=sum(reached.get(module, 0) for module in twins),
        shape=", ".join(dict.fromkeys(_shape(module) for module in twins)),
        advised=any(module in wanted for module in twins),
        why_not=_why_not(first, renamed),
    )


def _shape(module: Module) -> str:
    widths = f"{humanize.intcomma(module.inputs)} → {humanize.intcomma(module.outputs)}"
    return f"{module.experts} experts, {widths}" if module.kind == "expert" else widths


def _why_not(module: Module, renamed: Collection[str]) -> str:
    if module.kind == "expert":
        return WHY_NO_EXPERT
    if module.leaf in renamed and not module.role:
        return "its name would also reach the matrices of all experts"
    if module.role == "unfit" and module.refused:
        return "PEFT refuses to adapt it"
    return WHY_NOT.get(module.role or module.kind, "")


Row = tuple[list[str], Leaf]
"""What is left of a leaf's path below some point of the tree, and the leaf."""
Layers = Mapping[str, frozenset[int | None]]


def _children(rows: Iterable[Row], layers: Layers) -> Iterator[Branch | Leaf]:
    for head, group in groupby(rows, key=lambda row: row[0][0]):
        below = [(path[1:], leaf) for path, leaf in group]
        yield from (leaf for path, leaf in below if not path)
        if deeper := [row for row in below if row[0]]:
            yield _branch(head, deeper, layers)


def _branch(name: str, rows: list[Row], layers: Layers) -> Branch:
    """A part that holds nothing but one other part is drawn together with it."""
    heads = {path[0] for path, _ in rows}
    below = [(path[1:], leaf) for path, leaf in rows]
    if heads == {LAYER}:
        repeated = set().union(*(layers[leaf.path] for _, leaf in rows))
        return Branch(name, len(repeated), list(_children(below, layers)))
    if len(heads) == 1 and all(path for path, _ in below):
        return _branch(f"{name}.{heads.pop()}", below, layers)
    return Branch(name, 0, list(_children(rows, layers)))


def _name(path: str, others: Sequence[str]) -> str:
    """The shortest ending of a path that no other has; the last part alone where only the layer tells them apart."""
    parts = path.split(".")
    for length in range(1, len(parts) + 1):
        ending = parts[-length:]
        if LAYER in ending:
            break
        if not any(other.split(".")[-length:] == ending for other in others):
            return ".".join(ending)
    return parts[-1]
