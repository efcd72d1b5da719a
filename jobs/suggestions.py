"""What follows from a choice that was just made. Only ever offered while typing, never in a check."""

from __future__ import annotations

from collections.abc import Iterator, Set
from itertools import product
from typing import Any

from .review import Review
from .rulebook.settings_table import SETTINGS
from .rulebook.vocabulary import Source

DATA_FIELDS = {"data.dataset", "data.strategy", "training.method"}


def suggest(review: Review, altered: Set[str]) -> dict[str, Any]:
    """Values to fill in after the settings named in `altered` have changed."""
    changes: dict[str, Any] = {}
    if "data.dataset" in altered:
        changes |= _fitting(review)
    if "training.method" in altered or "training.method" in changes:
        changes |= _defaults(review, changes.get("training.method", review.facts.get("method")))
    if "model.name" in altered:
        changes |= _targets(review)
    return changes


def _fitting(review: Review) -> dict[str, Any]:
    """The first method and strategy to which the data alone raises no error; the present ones are tried first."""
    if not review.facts.get("dataset_found"):
        return {}
    for method, strategy in _pairs(review):
        report = review.imagine(Source.DATASET, method=method, strategy=strategy)
        if not any(finding.field in DATA_FIELDS for finding in report.errors):
            return {"training.method": method, "data.strategy": strategy}
    return {}


def _pairs(review: Review) -> Iterator[tuple[str, str]]:
    method, strategy = review.facts.get("method"), review.facts.get("strategy")
    if method and strategy:
        yield method, strategy
    yield from product(SETTINGS["training.method"].choices, SETTINGS["data.strategy"].choices)


def _defaults(review: Review, method: str | None) -> dict[str, Any]:
    """Defaults of the method in place of those of another one; a value of one's own stays."""
    changes = {}
    for path, setting in SETTINGS.items():
        others = {setting.default, *(each.get("default") for each in setting.per_method.values())}
        default = setting.default_for(method)
        if setting.per_method and review.facts.get(setting.fact) in others - {default}:
            changes[path] = default
    return changes


def _targets(review: Review) -> dict[str, Any]:
    """Names typed so far stay if the model has all of them; else its recommended ones take their place."""
    recommended = review.facts.get("lora_targets")
    if not recommended:
        return {}
    named = review.facts.get("target_modules", ())
    known = not isinstance(named, str) and set(named) <= set(review.facts.get("lora_modules", ()))
    return {"lora.target_modules": tuple(named if known and named else recommended)}
