"""Limits and recommended ranges of every number in the settings table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine import Answer, Rule, add, broken
from ..findings import Fix, Severity
from ..fixes import clear, use
from ..settings_table import SETTINGS, Setting
from ..words import number


def _limits(setting: Setting) -> str:
    """`greater than 0 and at most 1000`."""
    bounds = (
        ("greater than", setting.above),
        ("at least", setting.minimum),
        ("less than", setting.below),
        ("at most", setting.maximum),
    )
    return " and ".join(f"{words} {number(bound)}" for words, bound in bounds if bound is not None)


def _within_limits(setting: Setting, method: str | None) -> Fix | None:
    if setting.nullable:
        return clear(setting.path)
    default = setting.default_for(method)
    return None if default is None else use(setting.path, default, f"Use {number(default)}")


def _breaks_limits(setting: Setting, value: Any, method: str | None) -> Answer:
    if setting.admits(value):
        return None
    fix = _within_limits(setting, method)
    is_text = isinstance(value, str)
    return broken(
        fix=fix,
        must_be=f"{_limits(setting)} characters long" if is_text else _limits(setting),
        value=f"{len(value)} characters were" if is_text else f"{number(value)} was",
        why=setting.why,
        advice=f"{fix.label}." if fix else "",
    )


def _is_unusual(setting: Setting, value: Any, method: str | None) -> Answer:
    usual = setting.recommended_for(method)
    if usual is None or usual[0] <= value <= usual[1] or not setting.admits(value):
        return None
    low, high = usual
    nearest, why = (low, setting.unusual[0]) if value < low else (high, setting.unusual[1])
    return broken(
        fix=use(setting.path, nearest, f"Use {number(nearest)}"),
        value=number(value),
        usual=f"{number(low)} to {number(high)} is usual"
        + (f" for {method.upper()}" if setting.per_method and method else ""),
        why=why,
        nearest=number(nearest),
    )


def _add_limits(setting: Setting) -> Rule:
    """An error outside the limits."""

    def ask(method: str | None = None, **known: Any) -> Answer:
        return None if setting.overruled_by in known else _breaks_limits(setting, known[setting.fact], method)

    return _add(
        setting, "limits", Severity.ERROR, "{field} must be {must_be}; {value} given. {why} {advice}", ask, setting.why
    )


def _add_unusual(setting: Setting) -> Rule:
    """A warning outside the recommended range."""

    def ask(method: str | None = None, **known: Any) -> Answer:
        return None if setting.overruled_by in known else _is_unusual(setting, known[setting.fact], method)

    message = "{field} is {value}; {usual}. {why} Use {nearest} unless you know better."
    return _add(setting, "unusual", Severity.WARNING, message, ask, " ".join(filter(None, setting.unusual)))


def _add(setting: Setting, kind: str, severity: Severity, message: str, ask: Any, why: str) -> Rule:
    code = f"numbers.{setting.fact.replace('_', '-')}-{kind}"
    reads = frozenset(filter(None, ("method" if setting.per_method else "", setting.overruled_by)))
    return add(
        Rule(code, severity, setting.path, message, ask, frozenset({setting.fact}), reads, _example(setting, kind), why)
    )


def _example(setting: Setting, kind: str) -> Mapping[str, Any]:
    if kind == "unusual" and setting.recommended:
        high = setting.recommended[1]
        return {setting.fact: min(high * 2, (high + (setting.maximum or high * 3)) / 2)}
    if setting.kind == "text":
        return {setting.fact: "x" * (int(setting.maximum or 0) + 1)}
    low = setting.above if setting.above is not None else (setting.minimum or 0) - 1
    return {setting.fact: low}


for _setting in SETTINGS.values():
    if _setting.has_limits:
        _add_limits(_setting)
    if _setting.recommended:
        _add_unusual(_setting)
