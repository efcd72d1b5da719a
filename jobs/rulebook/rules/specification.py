"""The specification itself can be read: known keys, readable values."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from ..engine import Broken, broken, rule
from ..findings import Fix, Severity
from ..fixes import clear, use
from ..settings_table import GROUPS, SETTINGS, Kind
from ..words import names


@rule(
    code="specification.unknown-key",
    severity=Severity.ERROR,
    message="{key} is not a setting of a job.{hint} It would be ignored, and the run would differ from what you "
    "meant. {advice}.",
    breaks={"unknown_keys": (("training.epochs", "training.num_epochs", 5),), "given": ()},
)
def unknown_key(unknown_keys: tuple[tuple[str, str | None, Any], ...], given: tuple[str, ...]) -> Iterator[Broken]:
    """A misspelt setting that is ignored trains with the default while its author believes otherwise."""
    taken = set(given)
    for key, near, value in unknown_keys:
        fix = _meant(key, near, value, taken) or clear(key, f"Leave {key} out")
        taken |= {SETTINGS[near].fact} if near else set()
        hint = f" Did you mean {near}?" if near else ""
        yield broken(fix=fix, field=key, key=key, hint=hint, advice=fix.label)


def _meant(key: str, near: str | None, value: Any, taken: set[str]) -> Fix | None:
    """Set the setting that was meant, unless its value is of no use there or another one was given."""
    if near is None or value is None or SETTINGS[near].fact in taken:
        return None
    misspelt = {} if key in GROUPS else {key: None}
    return Fix(f"Set {near} to {names(value) if isinstance(value, tuple) else value}", {near: value, **misspelt})


@rule(
    code="specification.unreadable",
    severity=Severity.ERROR,
    message="{what} must be {expected}; “{value}” was given.{advice}",
    breaks={"unreadable": (("training.num_epochs", "three", "a number"),)},
)
def unreadable(unreadable: tuple[tuple[str, str, str], ...], method: str | None = None) -> Iterator[Broken]:
    """Training libraries discover a value of the wrong type only after loading and tokenising everything."""
    for path, value, expected in unreadable:
        fix = _readable(path, value, method)
        advice = f" {fix.label}." if fix else ""
        what = path or "The specification"
        yield broken(fix=fix, field=path or None, what=what, expected=expected, value=value, advice=advice)


def _readable(path: str, value: str, method: str | None) -> Fix | None:
    """The choice that was nearly named, else the default; a required setting has none."""
    setting = SETTINGS.get(path)
    if setting is None:
        return None
    near = difflib.get_close_matches(value.lower(), setting.choices, n=1)
    default = near[0] if near and setting.kind is Kind.CHOICE else setting.default_for(method)
    if default is not None:
        return use(path, default)
    return clear(path) if setting.nullable else None
