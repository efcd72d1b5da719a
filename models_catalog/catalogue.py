"""What other parts of the portal ask about models: find one, its facts, and the choices of a form."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import humanize
from django.conf import settings
from django.db.models import Q

from .cache import State
from .hub_files import repository_folder
from .knowledge import Knowledge, know
from .looks import look_now_or_soon, what_hinders
from .models import BaseModel

LONGEST_NAME = 200


@dataclass(frozen=True)
class ModelChoice:
    """One line of the model selector."""

    name: str
    family: str
    cache: str
    cache_text: str
    size_bytes: int | None
    parameters: int | None
    context_length: int | None
    supports_chat: bool
    lora_targets: tuple[str, ...]

    @property
    def at_hand(self) -> bool:
        return self.cache in (State.CACHED, State.LOCAL)

    @property
    def label(self) -> str:
        chat = "chat" if self.supports_chat else "no chat"
        parts = (self.name, self.cache_text, size_text(self.size_bytes), chat, ", ".join(self.lora_targets))
        return " · ".join(part for part in parts if part)


def find(name: str) -> BaseModel | None:
    """The model of that name; the part after the owner is enough while it names one model only."""
    if not name or "\0" in name or len(name) > LONGEST_NAME:
        return None
    models = BaseModel.objects.select_related("family")
    if exact := models.filter(name=name).first():
        return exact
    alike = models.filter(Q(name__iexact=name) | Q(name__iendswith=f"/{name}"))[:2]
    return alike[0] if len(alike) == 1 else None


def model_facts(name: str, revision: str | None = None, *, look: bool = False) -> dict[str, Any]:
    """Facts of source "model". Facts that nobody knows are absent.

    With `look`, a model that was not looked into yet is: now, if that is quick, or by a task, for the next time.
    """
    model = find(name)
    if model is None:
        return {"model_listed": False, "similar_models": similar(name)}
    if look:
        look_now_or_soon(model, revision)
    known = know(model, revision)
    facts: dict[str, Any] = {"model_listed": True, **known.facts()}
    facts |= {"uninspected": "", "unfetchable": ""} if known.inspection else what_hinders(model, revision)
    if not known.can_chat and (other := chat_model(besides=model)):
        facts["chat_model"] = other
    return facts


def similar(name: str, limit: int = 3) -> tuple[str, ...]:
    """Names of the catalogue near the one given, nearest first. The owner's part weighs nothing."""
    asked = _bare(name)[:LONGEST_NAME]
    names = BaseModel.objects.values_list("name", flat=True)
    nearness = {each: difflib.SequenceMatcher(None, asked, _bare(each)).ratio() for each in names}
    near = sorted((each for each in names if nearness[each] >= 0.5), key=lambda each: (-nearness[each], each))
    return tuple(near[:limit])


def _bare(name: str) -> str:
    return name.rsplit("/", 1)[-1].lower()


def chat_model(besides: BaseModel) -> str | None:
    """The smallest model at hand whose chat template can be used."""
    able = [known for known in _at_hand() if known.can_chat and not known.untrainable and known.model != besides]
    able.sort(key=lambda known: (known.parameters or 0, known.model.name))
    return able[0].model.name if able else None


def _at_hand() -> Iterator[Knowledge]:
    """Models that can be loaded now. Only those with a folder are looked at closely."""
    cache = Path(settings.HUB_CACHE_DIR)
    for model in BaseModel.objects.select_related("family"):
        if model.source == BaseModel.Source.LOCAL or repository_folder(cache, model.name).exists():
            known = know(model)
            if known.cache.at_hand:
                yield known


def choices() -> list[ModelChoice]:
    """Every model for the selector, those at hand first."""
    offered = [choice(know(model)) for model in BaseModel.objects.select_related("family")]
    return sorted(offered, key=lambda each: (not each.at_hand, each.name.lower()))


def choice(known: Knowledge) -> ModelChoice:
    return ModelChoice(
        name=known.model.name,
        family=known.family.name,
        cache=str(known.cache.state),
        cache_text=known.cache.text,
        size_bytes=known.size_bytes,
        parameters=known.parameters,
        context_length=known.context_length,
        supports_chat=known.supports_chat,
        lora_targets=known.lora_targets,
    )


def size_text(size: int | None) -> str:
    return humanize.naturalsize(size) if size else ""
