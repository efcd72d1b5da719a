"""Which family a model belongs to: by the model_type of its config.json first, by its name second."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .models import ModelFamily
from .seed import UNKNOWN

# Linear, so that all-linear reaches them; but PEFT refuses them, they get no gradient, or the first step fails.
UNFIT = {
    "mamba": {"out_proj", "dt_proj"},
    "falcon_mamba": {"out_proj", "dt_proj"},
    "mamba2": {"out_proj"},
    "falcon_h1": {"out_proj"},
    "nemotron_h": {"out_proj"},
    "jamba": {"dt_proj"},
    "phimoe": {"router"},
    "deepseek_v4": {"o_a_proj"},
}


def called(text: str) -> ModelFamily | None:
    """The family that somebody means: by its name in any case, or by a model_type of its models."""
    families = list(ModelFamily.objects.all())
    named = (family for family in families if family.name.lower() == text.lower())
    typed = (family for family in families if text.lower() in family.model_types)
    return next(named, None) or next(typed, None)


def family_of(name: str, model_type: str = "") -> ModelFamily:
    """The family of a model; `Unknown` when neither its type nor its name says more."""
    families = list(ModelFamily.objects.all())
    by_type = [family for family in families if model_type and model_type in family.model_types]
    named = [family for family in by_type or families if _is_named(name, family.name_patterns)]
    if by_type:
        return (named or by_type)[0]
    if model_type or not named:
        return next(family for family in families if family.name == UNKNOWN)
    return max(named, key=lambda family: _longest(name, family.name_patterns))


def _is_named(name: str, patterns: Iterable[str]) -> bool:
    return _longest(name, patterns) > 0


def _longest(name: str, patterns: Iterable[str]) -> int:
    """Length of the longest match: the more of a name a pattern explains, the better it fits."""
    matches = (re.search(pattern, name, re.IGNORECASE) for pattern in patterns)
    return max((len(match.group()) for match in matches if match), default=0)
