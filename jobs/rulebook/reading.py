"""Reads a job specification, from JSON or a form, into the facts that rules ask for.

Reading never raises on what a person wrote: a value that cannot be read is reported through the fact
`unreadable`, a key that is not known through `unknown_keys`, and both become findings like any other.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .misspelt import nearest
from .settings_table import BY_FACT, GROUPS, SETTINGS, Kind, Setting

MOST_UNKNOWN_KEYS = 50
"""Further ones are not reported: these refuse the job already, and a nearest name is slow to find."""

LONGEST_TEXT, MOST_NAMES = 500, 1000
LARGEST = 2**53
"""Beyond it programs that read JSON disagree about whole numbers, and no setting has a use for more."""


class Unreadable(ValueError):
    """A value is not of its setting's kind; the text says what was expected."""


@dataclass(frozen=True)
class Choices:
    """What was chosen: values by dotted name, and what could not be understood."""

    values: Mapping[str, Any]
    unreadable: tuple[tuple[str, str, str], ...] = ()
    unknown_keys: tuple[tuple[str, str | None, Any], ...] = ()

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
        """These choices with some settings replaced, as a fix asks; `None` takes a setting or unknown key back."""
        merged = {**self.values, **changes}
        values = {path: value for path, value in merged.items() if path in SETTINGS and value is not None}
        replaced = changes.keys() | {SETTINGS[path].group for path in changes if path in SETTINGS}
        unreadable = tuple(item for item in self.unreadable if item[0] not in replaced)
        return Choices(values, unreadable, tuple(item for item in self.unknown_keys if item[0] not in replaced))


def _applies(fact: str, by_fact: Mapping[str, Any]) -> bool:
    condition = BY_FACT[fact].applies
    return condition is None or by_fact.get(condition[0]) == condition[1]


def read(spec: Mapping[str, Any]) -> Choices:
    """Read a nested specification (public contract) or a flat one with dotted names.

    Empty strings and null count as not given.
    """
    if not isinstance(spec, Mapping):
        return Choices({}, (("", shown(spec), "a JSON object with model, data, training and lora"),))
    values: dict[str, Any] = {}
    unreadable: list[tuple[str, str, str]] = []
    unknown: list[tuple[str, str | None, Any]] = []
    for path, raw in _flatten(spec):
        if _is_empty(raw):
            continue
        if path not in SETTINGS:
            unknown += [_unknown(path, raw)] if len(unknown) < MOST_UNKNOWN_KEYS else []
            continue
        try:
            values[path] = read_value(SETTINGS[path], raw)
        except Unreadable as problem:
            unreadable.append((path, shown(raw), str(problem)))
    return Choices(values, tuple(unreadable), tuple(unknown))


def _flatten(spec: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in spec.items():
        name = _key(key)
        if isinstance(value, Mapping) and name in GROUPS:
            yield from ((f"{name}.{_key(inner)}", each) for inner, each in value.items())
        else:
            yield name, value


def _key(key: Any) -> str:
    return shown(key, limit=100)


def _is_empty(raw: Any) -> bool:
    return raw is None or (isinstance(raw, str) and not raw.strip())


def _unknown(path: str, raw: Any) -> tuple[str, str | None, Any]:
    """An unknown key with the setting that was probably meant, and its value where that setting can take it."""
    near = nearest(path)
    if near is None:
        return path, None, None
    try:
        value = read_value(SETTINGS[near], raw)
    except Unreadable:
        return path, near, None
    return path, near, value if SETTINGS[near].admits(value) else None


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted names into the nested shape of the specification."""
    spec: dict[str, Any] = {}
    for path, value in values.items():
        group, _, name = path.rpartition(".")
        target = spec.setdefault(group, {}) if group else spec
        target[name] = list(value) if isinstance(value, tuple) else value
    return spec


def shown(raw: Any, limit: int = 60) -> str:
    """A value as it is quoted in a message: short, on one line, and safe to store and to send."""
    text = " ".join(_text_of(raw, limit).split())
    text = "".join("\N{REPLACEMENT CHARACTER}" if _is_control(character) else character for character in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _text_of(raw: Any, limit: int) -> str:
    if isinstance(raw, str):
        return raw[: 10 * limit]
    try:
        return json.dumps(raw, ensure_ascii=False, default=str)[: 10 * limit]
    except (ValueError, TypeError, RecursionError):  # a number of thousands of digits, a very deep list, an odd key
        return "something too large to show"


def _is_control(character: str) -> bool:
    """Control characters and lone surrogates: databases and JSON encoders choke on them."""
    return unicodedata.category(character) in ("Cc", "Cs")


def read_value(setting: Setting, raw: Any) -> Any:
    """One value as its setting's kind. Raises Unreadable."""
    return _READERS[setting.kind](raw, setting)


def _read_text(raw: Any, setting: Setting) -> str:
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise Unreadable("a text")
    return _line(raw if isinstance(raw, str) else shown(raw))


def _line(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise Unreadable(f"a text of at most {LONGEST_TEXT} characters")
    if any(_is_control(character) for character in text.strip()):
        raise Unreadable("a text of one line")
    return text.strip()


def _read_number(raw: Any, setting: Setting) -> float | int:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise Unreadable("a number")
    try:
        number = float(raw)
    except ValueError:
        raise Unreadable("a number") from None
    except OverflowError:
        raise Unreadable("a finite number") from None
    if not math.isfinite(number):
        raise Unreadable("a finite number")
    if abs(number) > LARGEST:
        raise Unreadable(f"a number of at most {LARGEST:,}")
    return int(number) if number.is_integer() else number


def _read_integer(raw: Any, setting: Setting) -> int:
    number = _read_number(raw, setting)
    if not isinstance(number, int):
        raise Unreadable("a whole number")
    return number


_WORDS = {"true": True, "on": True, "1": True, "yes": True, "false": False, "off": False, "0": False, "no": False}


def _read_boolean(raw: Any, setting: Setting) -> bool:
    if isinstance(raw, bool) or (isinstance(raw, int) and raw in (0, 1)):
        return bool(raw)
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
        return _line(raw)
    if not isinstance(raw, list | tuple) or not all(isinstance(each, str) for each in raw):
        raise Unreadable("a list of module names")
    if len(raw) > MOST_NAMES:
        raise Unreadable(f"a list of at most {MOST_NAMES} module names")
    for each in raw:
        _line(each)
    return tuple(raw)


_READERS: Mapping[Kind, Callable[[Any, Setting], Any]] = {
    Kind.TEXT: _read_text,
    Kind.INTEGER: _read_integer,
    Kind.NUMBER: _read_number,
    Kind.BOOLEAN: _read_boolean,
    Kind.CHOICE: _read_choice,
    Kind.NAMES: _read_names,
}
