"""Values of settings in words: as an input holds them, and as a summary shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import humanize

from .rulebook.estimate import Estimate
from .rulebook.settings_table import SETTINGS, Kind, Setting

GROUPS = {"model": "Model", "data": "Data", "training": "Training", "lora": "LoRA"}


def as_text(value: Any) -> str:
    """A value as it is typed into an input."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(value)
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    """0.0002 stays 0.0002, 5e-06 becomes 5e-6, 3.0 becomes 3."""
    return f"{value:.10g}".replace("e-0", "e-").replace("e+0", "e")


def recommended_text(setting: Setting, method: str | None) -> str:
    """Such as “1 – 10”, or nothing."""
    limits = setting.recommended_for(method)
    return f"{as_text(float(limits[0]))} – {as_text(float(limits[1]))}" if limits else ""


@dataclass(frozen=True)
class Row:
    """One setting of a summary."""

    label: str
    text: str
    changed: bool
    group: str


def group_title(setting: Setting) -> str:
    """The part of a page it is shown in. What stands at the top of a specification concerns the model."""
    return GROUPS.get(setting.group, "Model")


def rows(spec: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Row]:
    """The settings in force of a nested specification, by group; those that do not apply are left out."""
    values = {path: _at(spec, path) for path in SETTINGS}
    by_fact = {setting.fact: values[path] for path, setting in SETTINGS.items()}
    shown = []
    for path, setting in SETTINGS.items():
        if path != "name" and (setting.applies is None or by_fact[setting.applies[0]] == setting.applies[1]):
            text = _words(setting, values[path], facts)
            shown.append(Row(setting.label, text, _changed(setting, by_fact, facts), group_title(setting)))
    return sorted(shown, key=lambda row: list(GROUPS.values()).index(row.group))


def _changed(setting: Setting, by_fact: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Not the default, nor what was filled in for this model."""
    usual = facts.get("lora_targets") if setting.fact == "target_modules" else setting.default_for(by_fact["method"])
    return not setting.required and _plain(by_fact[setting.fact]) != _plain(usual)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _words(setting: Setting, value: Any, facts: Mapping[str, Any]) -> str:
    if setting.fact == "dataset":
        return str(facts.get("dataset_name", value or "—"))
    if setting.fact == "eval_dataset" and value:
        return str(facts.get("eval_name", value))
    if value is None or value == "":
        return "—"
    if setting.fact == "start_from":
        return f"Job {value}"
    if setting.kind is Kind.CHOICE:
        return setting.choices.get(value, str(value)).partition(": ")[0]
    if isinstance(value, bool):
        return "on" if value else "off"
    return as_text(value)


def _at(spec: Mapping[str, Any], path: str) -> Any:
    group, _, name = path.rpartition(".")
    inner = spec.get(group) if group else spec
    return inner.get(name) if isinstance(inner, Mapping) else None


@dataclass(frozen=True)
class Cost:
    """One amount of an estimate; `note` says what it rests on."""

    name: str
    text: str
    note: str = ""


def estimate_rows(estimate: Estimate) -> list[Cost]:
    """What a job will cost, as far as it is known. Memory is shown apart, as a bar."""
    costs = [
        Cost("Time", _lasting(estimate.seconds), estimate.basis),
        Cost("GPU-hours", f"{estimate.gpu_hours:.2g}" if estimate.gpu_hours else ""),
        Cost("Steps", _count(estimate.steps)),
        Cost("Rows", _count(estimate.rows)),
        Cost("Held out", _count(estimate.eval_rows or None)),
        Cost("Trained weights", _count(estimate.trainable_parameters)),
        Cost("Disk", _size(estimate.disk_bytes), "when it is fullest"),
        Cost("Download", _size(estimate.download_bytes or None) + _time(estimate.download_seconds)),
    ]
    return [cost for cost in costs if cost.text]


def _count(amount: int | None) -> str:
    return "" if amount is None else humanize.intcomma(amount)


def _size(amount: int | None) -> str:
    return "" if amount is None else humanize.naturalsize(amount)


def _lasting(seconds: int | None) -> str:
    return "" if seconds is None else f"about {humanize.naturaldelta(max(seconds, 1))}"


def _time(seconds: int | None) -> str:
    return f", about {humanize.naturaldelta(seconds)}" if seconds else ""
