"""Says in plain words what the decoder found wrong with a row."""

from __future__ import annotations

import re

import msgspec

from .formats.turns import ROLES
from .problems import ROW_ERRORS, BadRow, Unread


def explain(error: Exception, raw: bytes) -> BadRow:
    """`error` is one of `problems.ROW_ERRORS`, raised while reading `raw`."""
    if isinstance(raw, Unread):
        return raw.problem
    if isinstance(error, BadRow):
        return error
    if isinstance(error, RecursionError):
        return BadRow("too-deep", "Lists or objects are nested too deeply to be read. Flatten the row.")
    if isinstance(error, UnicodeDecodeError):
        return BadRow("not-utf-8", "The row holds bytes that are not UTF-8. Save the file as UTF-8.")
    if isinstance(error, msgspec.ValidationError):
        return _wrong_shape(str(error), raw)
    return _wrong_syntax(str(error), raw)


_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)


def _wrong_syntax(text: str, raw: bytes) -> BadRow:
    place = re.search(r"byte (\d+)", text)
    if place and raw[int(place[1]) :].startswith((b"NaN", b"Infinity")):
        return BadRow("not-a-number", "The row holds NaN or Infinity, which JSON does not know. Write null instead.")
    if _LONE_SURROGATE.search(raw):
        return BadRow("lone-surrogate", "The row holds half of a surrogate pair (\\ud8…), which is no character.")
    if place is None:
        return BadRow("broken-json", "The JSON of this row is broken: it ends before its closing brace.")
    what = text.removeprefix("JSON is malformed: ").split(" (byte")[0]
    return BadRow("broken-json", f"The JSON of this row is broken at its byte {int(place[1]) + 1}: {what}.")


_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")


def _wrong_shape(text: str, raw: bytes) -> BadRow:
    """Reads the decoder's "Expected `str`, got `null` - at `$.messages[1].content`"."""
    place = _PLACE.search(text)
    path = place[1] if place else ""
    what = text[: place.start()] if place else text
    if what.startswith("Invalid enum value "):
        return _unknown_role(what.removeprefix("Invalid enum value "), path)
    if missing := re.search(r"required field `(.*)`", what):
        return _missing(missing[1], path, raw)
    if what.endswith("out of range"):
        return BadRow("wrong-type", "The row holds a number that is too large to be read. Write it as text.")
    expected, got = re.findall(r"`([^`]*)`", what)[:2]
    return _wrong_kind(expected.removesuffix(" | null"), got, path)


def _unknown_role(quoted: str, path: str) -> BadRow:
    shown = quoted if len(quoted) <= 40 else f"{quoted[:40]}…"
    return BadRow("unknown-role", f"{_in_words(path)} is {shown}, which templates drop or misprint. Use {_OR_ROLES}.")


_OR_ROLES = f"{', '.join(ROLES[:-1])} or {ROLES[-1]}"


def _missing(field: str, path: str, raw: bytes) -> BadRow:
    if path:
        return BadRow("missing-field", f"{_in_words(path)} has no '{field}'. Add it or remove the row.")
    names = _field_names(raw)
    has = ", ".join(name[:40] for name in names[:6]) + (" …" if len(names) > 6 else "")
    return BadRow("missing-field", f"The row has no '{field}'; it has {has or 'no other fields'}.")


def _field_names(raw: bytes) -> list[str]:
    try:
        return list(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]))
    except ROW_ERRORS:  # the decoder stopped at the missing field; what follows may be broken too
        return []


def _wrong_kind(expected: str, got: str, path: str) -> BadRow:
    where = _in_words(path)
    if not path:
        return BadRow("not-an-object", f"The row is {_kind(got)}, not an object with named fields.")
    if got == "null":
        return BadRow("null-content", f"{where} is null. Give it a value or remove the row.")
    if path in _TEXT_OR_TURNS and {expected, got} == {"str", "array"}:
        return _mixed(where, got)
    if expected == "str" and got == "array":
        return BadRow("list-for-text", f"{where} is a list, but only text can be trained. Join its parts.")
    return BadRow("wrong-type", f"{where} is {_kind(got)}, but must be {_kind(expected)}.")


def _mixed(where: str, got: str) -> BadRow:
    """The answers of most rows decide what a file holds."""
    if got == "str":
        message = f"{where} is text, but the answers in this file are lists of messages. Write it as such a list."
    else:
        message = f"{where} is a list, but the answers in this file are texts. Write it as text."
    return BadRow("mixed-kinds", message)


_TEXT_OR_TURNS = ("prompt", "completion", "chosen", "rejected")
_KINDS = {"str": "text", "array": "a list", "object": "an object", "int": "a number", "float": "a number"}


def _kind(name: str) -> str:
    return _KINDS.get(name, "true or false" if name == "bool" else name)


def _in_words(path: str) -> str:
    """`messages[1].content` becomes "The content of turn 2 in messages"."""
    parts = re.fullmatch(r"(\w+)\[(\d+)\](?:\.(\w+))?", path)
    if not parts:
        return f"'{path}'"
    column, turn, field = parts.groups()
    return f"{f'The {field} of turn' if field else 'Turn'} {int(turn) + 1} in {column}"
