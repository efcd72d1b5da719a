"""All that is known about one model: its row and family, and what its own files say, which is the truth.

What was found by looking into the model beats what its files say at first sight, and that beats the family.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import humanize

from jobs.rulebook.words import count, magnitude

from .cache import CacheState, cache_state, files_at_hand
from .families import UNFIT, family_of
from .files import ModelFiles
from .inspections import Inspected, found_in
from .models import BaseModel, Download, ModelFamily
from .seed import UNKNOWN

GENERATES = ("CausalLM", "LMHead", "ConditionalGeneration")
NEAR = 0.02  # by so much two counts of parameters may differ: some count the head twice, or round


@dataclass(frozen=True)
class Knowledge:
    """Facts of one model. `files` is None as long as not even its config.json is here."""

    model: BaseModel
    cache: CacheState
    files: ModelFiles | None

    @property
    def folder(self) -> Path | None:
        """Where its small files are; its weights may be elsewhere still."""
        return self.cache.described_in

    @cached_property
    def inspection(self) -> Inspected | None:
        """What was found by looking into it, if that was done."""
        return found_in(self.folder)

    @property
    def told(self) -> Mapping[str, Any]:
        """The facts that were found by looking into it."""
        return self.inspection.facts if self.inspection else {}

    @cached_property
    def family(self) -> ModelFamily:
        """The family row, unless config.json names an architecture that belongs to another."""
        listed = self.model.family
        kind = self.files.model_type if self.files else ""
        return listed if not kind or kind in listed.model_types else family_of(self.model.name, kind)

    @property
    def listed_chat(self) -> bool:
        own = self.model.supports_chat
        return self.model.family.supports_chat if own is None else own

    @property
    def supports_chat(self) -> bool:
        at_sight = self.files.has_template if self.files else None
        told: bool | None = self.told.get("supports_chat", at_sight)
        return self.listed_chat if told is None else told

    @property
    def can_chat(self) -> bool:
        """It has a chat template, and as far as is known one that can be used."""
        return self.supports_chat and not self.told.get("template_problem")

    @cached_property
    def lora_modules(self) -> tuple[str, ...]:
        """Names that can carry LoRA, in the family's order; empty when nobody knows them."""
        if "lora_modules" in self.told:
            return tuple(self.told["lora_modules"])
        known = tuple(self.family.lora_modules)
        if self.files is None or self.files.modules is None:
            return known
        found = self.files.modules
        names = found.dense | (found.routers & set(known)) | set(self.expert_modules)
        names |= found.embeddings if found.heads else set()
        names -= set(self.unfit_modules)
        return (*(name for name in known if name in names), *sorted(names.difference(known)))

    @property
    def unfit_modules(self) -> tuple[str, ...]:
        """Linear modules that all-linear would reach and that cannot be adapted; of every architecture in question."""
        if "unfit_modules" in self.told:
            return tuple(self.told["unfit_modules"])
        types = [self.files.model_type] if self.files else self.family.model_types
        unfit = [UNFIT.get(each, set()) for each in types]
        return tuple(sorted(set.intersection(*unfit))) if unfit else ()

    @property
    def tied_embedding(self) -> str | None:
        """The embedding, where the output head is the same matrix; empty where it is not."""
        if "tied_embedding" in self.told:
            return str(self.told["tied_embedding"])
        modules = self.files.modules if self.files else None
        if modules is None:
            return None
        return "" if modules.heads else min(modules.embeddings, default="")

    @property
    def lora_targets(self) -> tuple[str, ...]:
        """What its modules recommend; unknown, the family's recommendation, as far as the model has these modules."""
        if self.told.get("lora_targets"):
            return tuple(self.told["lora_targets"])
        recommended = tuple(self.family.lora_targets)
        if not self.lora_modules:
            return recommended
        present = tuple(name for name in recommended if name in self.lora_modules)
        return present or tuple(name for name in self.lora_modules if name not in self._seldom_adapted)

    @property
    def _seldom_adapted(self) -> set[str]:
        embeddings = self.files.modules.embeddings if self.files and self.files.modules else set()
        return {*self.expert_modules, *embeddings}

    @property
    def expert_modules(self) -> tuple[str, ...]:
        return tuple(self.told.get("expert_modules", self.family.expert_modules))

    @property
    def _files_facts(self) -> dict[str, object]:
        """Where the files are, and in what form."""
        return {
            "model_cache": str(self.cache.state),
            "bytes_to_fetch": self.cache.bytes_to_fetch,
            "unsafe_weights": self.unsafe_weights,
            "weights_format": (self.files.weights_format or None) if self.files else None,
            "own_code": self.files.own_code if self.files else None,
        }

    @property
    def context_length(self) -> int | None:
        told: int | None = self.told.get("context_length") or self._numbers.get("context_length")
        return told or self.model.context_length

    @property
    def parameters(self) -> int | None:
        counted = self.files.modules.parameters if self.files and self.files.modules else None
        told: int | None = self.told.get("parameters")
        return told or counted or self.model.parameters

    @property
    def size_bytes(self) -> int | None:
        return self.model.size_bytes or self.cache.bytes_on_disk or None

    @property
    def parameters_text(self) -> str:
        return magnitude(self.parameters) if self.parameters else ""

    @property
    def size_text(self) -> str:
        return humanize.naturalsize(self.size_bytes) if self.size_bytes else ""

    @property
    def last_download(self) -> Download | None:
        """The one under way, whatever its revision; else the latest of the main one."""
        each = list(self.model.downloads.all())
        active = (download for download in each if download.is_active)
        return next(active, None) or next((download for download in each if not download.revision), None)

    @property
    def unsafe_weights(self) -> bool | None:
        return self.files.pickles_only if self.files else None

    @property
    def untrainable(self) -> str:
        """Why no training can work; empty when nothing is known against it."""
        against = str(self.told.get("untrainable", self.family.untrainable))
        if self.files is None:
            return against
        if self.told.get("unbuildable"):  # which says more
            return _damaged(self.files) or against
        return _unfit(self.files, self.family) or against

    @property
    def _numbers(self) -> dict[str, int]:
        return self.files.numbers if self.files else {}

    @property
    def disagreements(self) -> tuple[str, ...]:
        """Where the model's own files and the catalogue differ, and what of the files cannot be read."""
        return tuple(_disagreements(self)) if self.files else ()

    def facts(self) -> dict[str, object]:
        """What rules may read; facts that are not known are left out."""
        facts: dict[str, object] = {
            **self._numbers,
            "position_table": self.family.position_table,
            "supports_checkpointing": self.family.supports_checkpointing,
            "packing_leaks": self.family.packing_leaks,
            **self.told,
            "family": self.family.name,
            "lora_modules": self.lora_modules or None,
            "lora_targets": self.lora_targets,
            "expert_modules": self.expert_modules,
            "unfit_modules": self.unfit_modules,
            "tied_embedding": self.tied_embedding,
            "supports_chat": self.supports_chat,
            "context_length": self.context_length,
            "parameters": self.parameters,
            "untrainable": self.untrainable,
            "disagreements": self.disagreements,
            "gated": self.model.gated,
            **self._files_facts,
        }
        return {name: value for name, value in facts.items() if value is not None}


def know(model: BaseModel, revision: str | None = None) -> Knowledge:
    state = cache_state(model, revision)
    return Knowledge(model, state, files_at_hand(state))


def _damaged(files: ModelFiles) -> str:
    return f"{files.damage} Fetch it again." if files.damage else ""


def _unfit(files: ModelFiles, family: ModelFamily) -> str:
    if files.damage:
        return _damaged(files)
    if files.own_code and family.name == UNKNOWN:
        return "It needs code that comes with the model, which Foretune never runs."
    if files.config.get("is_encoder_decoder"):
        return "It is an encoder-decoder; SFT and DPO train decoders."
    if not files.architecture:
        return "Its config.json does not name the class to load (architectures)."
    if not any(word in files.architecture for word in GENERATES):
        return f"Its config.json names {files.architecture}, which does not write text."
    return _wrong_layers(files)


def _wrong_layers(files: ModelFiles) -> str:
    """transformers drops layers that config.json does not count, and fills missing ones with random numbers.

    Layers that only foretell a second token are counted apart, and are rightly dropped.
    """
    there, told = files.modules.layers if files.modules else 0, files.numbers.get("layers", 0)
    extra = files.config.get("num_nextn_predict_layers")
    if not there or not told or told <= there <= told + (extra if isinstance(extra, int) else 0):
        return ""
    return f"Its weights have {count(there, 'layer')}, but its config.json says {told}; they do not belong together."


def _disagreements(known: Knowledge) -> Iterator[str]:
    files, model = known.files, known.model
    assert files is not None  # noqa: S101 - asked only with files at hand
    if known.family != model.family:
        yield (
            f"The catalogue lists the family {model.family.name}, but its config.json says {files.model_type}, "
            f"which belongs to {known.family.name}."
        )
    if known.supports_chat != known.listed_chat:
        has, listed = _a_template(known.supports_chat), _a_template(known.listed_chat)
        yield f"Its tokenizer has {has}, but the catalogue lists it with {listed}."
    if known.context_length and model.context_length and known.context_length != model.context_length:
        yield (
            f"Its config.json says it reads {known.context_length:,} tokens, "
            f"but the catalogue lists {model.context_length:,}."
        )
    if known.parameters and model.parameters and abs(known.parameters - model.parameters) > NEAR * model.parameters:
        yield (
            f"It has {magnitude(known.parameters)} parameters, but the catalogue lists {magnitude(model.parameters)}."
        )
    if known.lora_modules and (absent := [t for t in known.family.lora_targets if t not in known.lora_modules]):
        yield f"The family {known.family.name} recommends {', '.join(absent)}, which this model does not have."
    if table := _other_positions(known):
        yield table
    yield from files.problems
    yield from (problem["message"] for problem in known.inspection.document["problems"]) if known.inspection else ()


def _other_positions(known: Knowledge) -> str:
    told, listed = known.told.get("position_table"), known.family.position_table
    if told is None or told == listed:
        return ""
    has, lists = (("a learned position table" if table else "none") for table in (told, listed))
    return f"Its modules show {has}, but the family {known.family.name} is listed with {lists}."


def _a_template(there: bool) -> str:
    return "a chat template" if there else "no chat template"
