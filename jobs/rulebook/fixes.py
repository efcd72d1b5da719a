"""Fixes that rules on several subjects offer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .findings import Action, Fix


def use_model(name: str, **changes: Any) -> Fix:
    """Another model, with its own recommended LoRA targets and its newest revision; `changes` join in."""
    of_the_old_model = {"model.revision": None, "lora.target_modules": None}
    return Fix(f"Use {name}", {"model.name": name, **of_the_old_model, **changes})


def model_at_hand(chat_model: str | None, model: str | None) -> Fix | None:
    """The model that can be trained at once, unless it is the one in question."""
    return use_model(chat_model) if chat_model and chat_model != model else None


def use(path: str, value: Any, label: str | None = None) -> Fix:
    return Fix(label or f"Use {value}", {path: value})


def clear(path: str, label: str = "Leave it empty") -> Fix:
    return Fix(label, {path: None})


def convert(to: str, label: str, **changes: Any) -> Fix:
    """Make a converted dataset beside the original and use that one."""
    return Fix(label, changes, Action("convert-dataset", {"to": to}))


def advice(fixes: Sequence[Fix | None], otherwise: str = "") -> str:
    """What to do, in the words of the buttons: `Use standard, or convert the dataset to text.`"""
    labels = [fix.label for fix in fixes if fix is not None]
    if not labels:
        return otherwise
    return ", or ".join([labels[0], *(label[0].lower() + label[1:] for label in labels[1:])]) + "."
