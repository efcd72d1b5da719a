"""What LoRA targets were given, and what is known of the modules they are meant for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .engine import Together
from .findings import Fix
from .fixes import use
from .targets import (
    ALL_LINEAR,
    Module,
    Resolution,
    Targets,
    Tree,
    is_all_linear,
    reached_by,
    read_modules,
    recommend,
    resolve,
)
from .words import names

PATH = "lora.target_modules"
OUTPUT_HEADS = ("lm_head", "embed_out")
_ALSO_ALL = ("all", "all_linear", "alllinear", "all linear")
_BETWEEN_NAMES = re.compile(r"[\s,;]+")
_PLAIN = re.compile(r"[\w.,;\s-]*")


def means_all_linear(target: str) -> bool:
    return is_all_linear(target) or target.lower() in _ALSO_ALL


def leaf(name: str) -> str:
    """The last part of a dotted name."""
    return name.rpartition(".")[2]


def pieces(targets: Targets) -> tuple[str, ...]:
    """The names as they were meant: split where somebody wrote several in one, without blanks and repetition."""
    texts = (targets,) if isinstance(targets, str) else targets
    split = (piece for text in texts for piece in _BETWEEN_NAMES.split(text) if piece)
    return tuple(dict.fromkeys(split))


def is_pattern(targets: Targets) -> bool:
    """A text that nobody can have meant as names."""
    return isinstance(targets, str) and not _PLAIN.fullmatch(targets)


def recommended(lora_targets: Collection[str]) -> Fix:
    """The targets for this model; where they are not known here, none, which takes whatever is recommended."""
    if not lora_targets:
        return use(PATH, None, "Use the recommended modules")
    return use(PATH, tuple(lora_targets), f"Use {names(lora_targets)}")


def counted(counts: Mapping[str, int]) -> str:
    """`q_proj × 32 and v_proj × 32`; without a number where it is not known."""
    return names([f"{name} × {count}" if count else name for name, count in counts.items()])


@dataclass(frozen=True, kw_only=True)
class Aim(Together):
    """LoRA targets and the model's modules: the whole tree where the model was looked into, else names of its family.

    Names of the family are last parts of paths, so only the last part of a target can be compared with them.
    """

    target_modules: Targets
    lora_r: int = 16
    modules: Sequence[Mapping[str, Any]] | None = None
    renamed_targets: Mapping[str, str] | None = None
    lora_modules: Collection[str] | None = None
    lora_targets: Collection[str] = ()
    expert_modules: Collection[str] = ()
    unfit_modules: Collection[str] = ()
    tied_embedding: str | None = None
    model: str = "this model"

    @cached_property
    def tree(self) -> Tree | None:
        return read_modules(self.modules, self.renamed_targets) if self.modules else None

    @cached_property
    def resolution(self) -> Resolution | None:
        """What PEFT would do, where that can be known."""
        return resolve(self.target_modules, self.tree, max(self.lora_r, 1)) if self.tree else None

    @property
    def is_text(self) -> bool:
        return isinstance(self.target_modules, str)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of a list; a text has none."""
        return () if self.is_text else pieces(self.target_modules)

    @cached_property
    def listed(self) -> tuple[str, ...]:
        """Names that can be judged one by one: not all-linear."""
        return tuple(name for name in self.names if not means_all_linear(name))

    @property
    def is_sound_text(self) -> bool:
        """A pattern or all-linear for which PEFT would not raise, so that what it reaches can be looked at."""
        return self.is_text and self.resolution is not None and not self.resolution.problem

    def lines(self, name: str) -> tuple[Module, ...]:
        """What a name reaches in the tree; nothing where there is no tree."""
        return tuple(module for module, _ in reached_by(name, self.tree)) if self.tree else ()

    def count(self, name: str) -> int:
        """How many modules a name reaches; 0 also where that is not known."""
        return sum(count for _, count in reached_by(name, self.tree)) if self.tree else 0

    def exists(self, name: str) -> bool:
        """There is such a module, as far as is known."""
        if self.tree:
            return bool(self.lines(name))
        return self.lora_modules is None or leaf(name) in self.lora_modules

    def is_head(self, name: str) -> bool:
        return leaf(name) in OUTPUT_HEADS or any(line.role == "head" for line in self.lines(name))

    def is_tied(self, name: str) -> bool:
        if not self.tied_embedding:
            return False
        if not self.tree:
            return leaf(name) == self.tied_embedding
        return any(line.role == "embedding" for line in self.lines(name))

    def unsupported(self, name: str) -> tuple[Module, ...]:
        """What PEFT would refuse of what a name reaches; what no adapter suits is told apart."""
        found = resolve((name,), self.tree, max(self.lora_r, 1)).unsupported if self.tree else ()
        return tuple(line for line in found if line.role != "unfit")

    def is_unfit(self, name: str) -> bool:
        return any(line.role == "unfit" for line in self.lines(name))

    def is_fit(self, name: str) -> bool:
        """It can be trained, as far as is known."""
        wrong = self.is_head(name) or self.is_tied(name) or self.is_unfit(name) or self.unsupported(name)
        return self.exists(name) and not wrong

    def inside(self, name: str) -> tuple[str, ...]:
        """Recommended modules that are parts of what a name reaches."""
        if not self.tree:
            return ()
        blocks = tuple(f"{line.path}." for line in self.lines(name))
        return tuple(
            each for each in recommend(self.tree) if any(line.path.startswith(blocks) for line in self.lines(each))
        )

    def keep(self, found: Iterable[str]) -> Fix:
        """Keep what can be trained of `found`; if that is nothing, the recommended modules."""
        kept = tuple(dict.fromkeys(name for name in found if self.is_fit(name)))
        return use(PATH, kept, f"Use {names(kept)}") if kept else self.recommended

    @property
    def recommended(self) -> Fix:
        return recommended(self.lora_targets)


@dataclass(frozen=True, kw_only=True)
class KnownAim(Aim):
    """The same, for rules that can only be asked when modules are known in one way or the other."""

    lora_modules: Collection[str] = field()


@dataclass(frozen=True, kw_only=True)
class MixtureAim(Aim):
    """The same, for rules about mixtures of experts."""

    expert_modules: Collection[str] = field()


__all__ = ["ALL_LINEAR", "PATH", "Aim", "KnownAim", "MixtureAim"]
