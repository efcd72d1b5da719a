"""Reads a job specification, from JSON or a form, into the facts that rules ask for.

Reading never raises on what a person wrote: a value that cannot be read is reported through the fact
`unreadable`, a key that is not known through `unknown_keys`, and both become findings like any other.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .settings_table import BY_FACT, SETTINGS, Kind, Setting


class Unreadable(ValueError):
    """A value is not of its setting's kind; the text says what was expected."""


@dataclass(frozen=True)
class Choices:
    """What was chosen: values by dotted name, and what could not be understood."""

    values: Mapping[str, Any]
    unreadable: tuple[tuple[str, str, str], ...] = ()
    unknown_keys: tuple[tuple[str, str | None], ...] = ()

    @property
    def effective(self) -> dict[str, Any]:
        """Values with defaults filled in. Unreadable settings stay absent, so that other rules still answer."""
        broken = {path for path, _, _ in self.unreadable}
        method = self.values.get("training.method")
        filled = {path: setting.default_for(method) for path, setting in SETTINGS.items() if path not in broken}
        return filled | dict(self.values)

    def facts(self) -> dict[str, Any]:
        """The facts of source `choices`, without those of settings that do not apply (LoRA's on a full run)."""
        by_fact = {SETTINGS[path].fact: value for path, value in self.effective.items()}
        known = {fact: value for fact, value in by_fact.items() if value is not None and _applies(fact, by_fact)}
        given = tuple(sorted(SETTINGS[path].fact for path in self.values))
        return known | {"unreadable": self.unreadable, "unknown_keys": self.unknown_keys, "given": given}

    def spec(self) -> dict[str, Any]:
        """The effective specification, nested as in the public contract."""
        return nest(self.effective)

    def changed(self, changes: Mapping[str, Any]) -> Choices:
        """These choices with some settings replaced, as a fix asks."""
        kept = tuple(item for item in self.unreadable if item[0] not in changes)
        return Choices({**self.values, **changes}, kept, self.unknown_keys)


def _applies(fact: str, by_fact: Mapping[str, Any]) -> bool:
    condition = BY_FACT[fact].applies
    return condition is None or by_fact.get(condition[0]) == condition[1]


def read(spec: Mapping[str, Any]) -> Choices:
    """Read a nested specification (public contract) or a flat one with dotted names.

    Empty strings and null count as not given.
    """
    values: dict[str, Any] = {}
    unreadable: list[tuple[str, str, str]] = []
    unknown: list[tuple[str, str | None]] = []
    for path, raw in _flatten(spec):
        setting = SETTINGS.get(path)
        if setting is None:
            unknown.append((path, nearest(path)))
        elif raw is not None and raw != "":
            try:
                values[path] = _READERS[setting.kind](raw, setting)
            except Unreadable as problem:
                unreadable.append((path, shown(raw), str(problem)))
    return Choices(values, tuple(unreadable), tuple(unknown))


def _flatten(spec: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in spec.items():
        name = str(key)
        if isinstance(value, Mapping) and name in _GROUPS:
            yield from ((f"{name}.{inner}", each) for inner, each in value.items())
        else:
            yield name, value


_GROUPS = {setting.group for setting in SETTINGS.values() if setting.group}


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted names into the nested shape of the specification."""
    spec: dict[str, Any] = {}
    for path, value in values.items():
        group, _, name = path.rpartition(".")
        target = spec.setdefault(group, {}) if group else spec
        target[name] = list(value) if isinstance(value, tuple) else value
    return spec


def nearest(path: str) -> str | None:
    """The known setting whose dotted name is most like `path`, or None when nothing is near."""
    name = path.rpartition(".")[2]
    by_name = [known for known in SETTINGS if known.rpartition(".")[2] == name]
    return next(iter(by_name or difflib.get_close_matches(path, SETTINGS, n=1, cutoff=0.6)), None) or _by_last_part(name)


def _by_last_part(name: str) -> str | None:
    parts = {known.rpartition(".")[2]: known for known in SETTINGS}
    close = difflib.get_close_matches(name, parts, n=1, cutoff=0.6)
    return parts[close[0]] if close else None


def shown(raw: Any, limit: int = 60) -> str:
    """A value as it is quoted in a message: short, on one line."""
    text = " ".join(str(raw).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _read_text(raw: Any, setting: Setting) -> str:
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise Unreadable("a text")
    text = str(raw).strip()
    if any(ord(character) < 32 for character in text):
        raise Unreadable("a text of one line")
    return text


def _read_number(raw: Any, setting: Setting) -> float | int:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise Unreadable("a number")
    try:
        number = float(raw)
    except (ValueError, OverflowError):
        raise Unreadable("a number") from None
    if not math.isfinite(number):
        raise Unreadable("a finite number")
    return number


def _read_integer(raw: Any, setting: Setting) -> int:
    number = _read_number(raw, setting)
    if number != int(number):
        raise Unreadable("a whole number")
    return int(raw) if isinstance(raw, int) else int(number)


_WORDS = {"true": True, "on": True, "1": True, "yes": True, "false": False, "off": False, "0": False, "no": False}


def _read_boolean(raw: Any, setting: Setting) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.strip().lower() in _WORDS:
        return _WORDS[raw.strip().lower()]
    raise Unreadable("true or false")


def _read_choice(raw: Any, setting: Setting) -> str:
    if isinstance(raw, str) and raw.strip() in setting.choices:
        return raw.strip()
    raise Unreadable("one of " + ", ".join(setting.choices))


def _read_names(raw: Any, setting: Setting) -> tuple[str, ...] | str:
    """A list of names, or PEFT's one special string `all-linear`, or another string, which rules judge."""
    if isinstance(raw, str):
        return raw.strip()
    if isinstance(raw, list | tuple) and all(isinstance(each, str) for each in raw):
        return tuple(raw)
    raise Unreadable("a list of module names")


_READERS: Mapping[Kind, Callable[[Any, Setting], Any]] = {
    Kind.TEXT: _read_text,
    Kind.INTEGER: _read_integer,
    Kind.NUMBER: _read_number,
    Kind.BOOLEAN: _read_boolean,
    Kind.CHOICE: _read_choice,
    Kind.NAMES: _read_names,
}
