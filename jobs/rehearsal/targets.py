"""LoRA targets that name layers by their numbers, turned to the layers of the stand-in that are of the same kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from jobs.rulebook.patterns import BadPattern, SlowPattern, full_matches

from .stand_in import Layers

NUMBER = re.compile(r"(^|\.)\d+(\.|$)")


def for_stand_in(targets: str | Sequence[str], layers: Layers) -> str | tuple[str, ...]:
    """The same targets where they fit as they are. A list goes by the ends of paths, a text is a pattern on them."""
    if isinstance(targets, str):
        return targets if targets.casefold() == "all-linear" else _pattern(targets, layers)
    turned = (_numbered(target, layers) if NUMBER.search(target) else [target] for target in targets)
    return tuple(dict.fromkeys(name for names in turned for name in names))


def _numbered(target: str, layers: Layers) -> list[str]:
    """What is not in the model stays as it is, for the trainer to refuse."""
    reached = [name for name in layers.modules if name == target or name.endswith(f".{target}")]
    return in_stand_in(reached, layers) or [target]


def _pattern(pattern: str, layers: Layers) -> str | tuple[str, ...]:
    try:
        reached = in_stand_in(full_matches(pattern, layers.modules), layers)
        as_it_is = full_matches(pattern, stand_in_modules(layers))
    except (BadPattern, SlowPattern):
        return pattern
    return pattern if set(reached) == set(as_it_is) else tuple(reached)


def in_stand_in(modules: Iterable[str], layers: Layers) -> list[str]:
    """The modules of the stand-in that stand for some of the model, each once."""
    return list(dict.fromkeys(_renumber(name, layers.stack, layers.stand_in_of) for name in modules))


def stand_in_modules(layers: Layers) -> list[str]:
    kept = {f"{layers.stack}.{number}" for number in layers.stands_for}
    inside = f"{layers.stack}."
    names = (name for name in layers.modules if not name.startswith(inside) or _layer_of(name, inside) in kept)
    return in_stand_in(names, layers)


def _layer_of(name: str, inside: str) -> str:
    return inside + name[len(inside) :].partition(".")[0]


def _renumber(name: str, stack: str, numbers: Sequence[int]) -> str:
    inside = f"{stack}."
    if not stack or not name.startswith(inside):
        return name
    number, dot, rest = name[len(inside) :].partition(".")
    return f"{inside}{numbers[int(number)]}{dot}{rest}"
