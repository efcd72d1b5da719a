"""What can be done about a bad row, or one that trains badly. Plain Python, one row at a time.

Repairs take away, join or rename what is there; none of them makes up a word that nobody wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from .reading import REASONS
from .reading.formats.spellings import ROLE_NAMES

Fields = dict[str, Any]
Turns = list[Any]
Mend = Callable[[Fields], str]
"""Changes a decoded row in place and says what it did; says nothing where it could do nothing."""

SIDES = ("prompt", "completion", "chosen", "rejected")
CONVERSATIONS = ("messages", "conversations", "conversation", *SIDES)
CONTENTS = ("content", "value")
ROLES = ("role", "from")
TEXTS = ("text", *SIDES)
_ROLE_OF = {name: role for role, names in ROLE_NAMES.items() for name in names}


def _conversations(row: Fields) -> Iterator[tuple[str, Turns]]:
    for column in CONVERSATIONS:
        if isinstance(row.get(column), list):
            yield column, row[column]


def _turns(row: Fields) -> Iterator[Fields]:
    for _, turns in _conversations(row):
        yield from (turn for turn in turns if isinstance(turn, dict))


def _texts(row: Fields) -> Iterator[tuple[Fields, str]]:
    """Every place where a text is trained: what holds it, and under which key."""
    yield from ((row, column) for column in TEXTS if column in row)
    yield from ((turn, key) for turn in _turns(row) for key in CONTENTS if key in turn)


def _content(turn: Fields) -> Any:
    return next((turn[key] for key in CONTENTS if key in turn), None)


def _role(turn: Any) -> str | None:
    """The role by our name; None for what is no turn or has no role that is known."""
    written = next((turn[key] for key in ROLES if key in turn), None) if isinstance(turn, dict) else None
    return _ROLE_OF.get(written.strip().lower()) if isinstance(written, str) else None


def _some(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _keep_turns(row: Fields, wanted: Callable[[Any], bool], why: str) -> str:
    removed = 0
    for column, turns in _conversations(row):
        kept = [turn for turn in turns if wanted(turn)]
        removed += len(turns) - len(kept)
        row[column] = kept
    return f"Took out {_some(removed, 'turn')} {why}." if removed else ""


def _without_contentless_turns(row: Fields) -> str:
    def has_content(turn: Any) -> bool:
        return not isinstance(turn, dict) or _content(turn) is not None or bool(turn.get("tool_calls"))

    return _keep_turns(row, has_content, "without content")


def _without_empty_answers(row: Fields) -> str:
    def says_something(turn: Any) -> bool:
        if _role(turn) != "assistant" or turn.get("tool_calls"):
            return True
        content = _content(turn)
        return not isinstance(content, str) or bool(content.strip())

    return _keep_turns(row, says_something, "of the assistant that said nothing")


def _numbers_as_text(row: Fields) -> str:
    """Whole numbers only: how a fraction was written is no longer known."""
    found = 0
    for holder, key in _texts(row):
        if type(holder[key]) is int:
            holder[key], found = str(holder[key]), found + 1
    return f"Wrote {_some(found, 'number')} as text." if found else ""


def _texts_as_turns(row: Fields) -> str:
    """Where the rest of the file has lists of messages: the column says who speaks."""
    found = [column for column in SIDES if isinstance(row.get(column), str)]
    for column in found:
        row[column] = [{"role": "user" if column == "prompt" else "assistant", "content": row[column]}]
    return f"Wrote {' and '.join(found)} as a list of messages." if found else ""


def _known_roles(row: Fields) -> str:
    renamed: dict[str, str] = {}
    for turn in _turns(row):
        key = next((key for key in ROLES if key in turn), "role")
        if (role := _role(turn)) and role != turn[key]:
            renamed[turn[key]] = turn[key] = role
    names = ", ".join(f"“{old[:40]}” became “{new}”" for old, new in renamed.items())
    return f"Role {names}." if names else ""


def _end_with_answer(row: Fields) -> str:
    cut = 0
    for column, turns in _conversations(row):
        if column != "prompt":
            end = next((at for at in range(len(turns), 0, -1) if _role(turns[at - 1]) == "assistant"), 0)
            cut += len(turns) - end
            row[column] = turns[:end]
    return f"Took {_some(cut, 'turn')} off the end, which nobody answers." if cut else ""


def _answers_without_prompt(row: Fields) -> str:
    prompt = row.get("prompt")
    found = []
    for column in SIDES[1:]:
        answer = row.get(column)
        if isinstance(prompt, list) and isinstance(answer, list) and prompt and answer[: len(prompt)] == prompt:
            row[column] = answer[len(prompt) :]
            found.append(column)
    return f"Took the prompt's messages out of {' and '.join(found)}." if found else ""


def _joined_neighbours(row: Fields) -> str:
    """Turns of one role that follow each other become one, a blank line between them. Tools answer one by one."""
    joined = 0
    for column, turns in _conversations(row):
        kept: Turns = []
        for turn in turns:
            if kept and (key := _joint(kept[-1], turn)):
                kept[-1] = {**kept[-1], key: f"{kept[-1][key]}\n\n{turn[key]}"}
                joined += 1
            else:
                kept.append(turn)
        row[column] = kept
    return f"Joined {_some(joined, 'turn')} with the one before, which has the same role." if joined else ""


def _joint(one: Any, other: Any) -> str:
    """The key under which both have texts that can be joined; empty where they cannot."""
    if _role(one) in (None, "tool") or _role(one) != _role(other) or one.keys() != other.keys() or len(one) != 2:
        return ""
    return next((key for key in CONTENTS if isinstance(one.get(key), str) and isinstance(other.get(key), str)), "")


def _trimmed(row: Fields) -> str:
    """Not in prompts and completions that are texts: there a blank in between belongs to one of them."""
    found = 0
    for holder, key in _texts(row):
        text = holder[key]
        if isinstance(text, str) and key not in SIDES and text != text.strip():
            holder[key], found = text.strip(), found + 1
    return f"Took blanks off the ends of {_some(found, 'text')}." if found else ""


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")


def _without_control_characters(row: Fields) -> str:
    found = 0
    for holder, key in _texts(row):
        if isinstance(text := holder[key], str):
            holder[key], number = _CONTROL.subn("", text)
            found += number
    return f"Took out {_some(found, 'control character')}." if found else ""


_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


def without_half_characters(raw: bytes) -> tuple[bytes, str]:
    """Halves of surrogate pairs are no characters; what stands around them stays."""
    halves = 0

    def drop(escape: re.Match[bytes]) -> bytes:
        nonlocal halves
        halves += bool(escape[1])
        return b"" if escape[1] else escape[0]

    return _ESCAPES.sub(drop, raw), f"Took out {_some(halves, 'half character')}."


@dataclass(frozen=True)
class Fault:
    """A class of rows: what is wrong with them, and what repairing one does."""

    code: str
    name: str
    repair: str = ""
    mends: tuple[Mend, ...] = ()

    @property
    def repairable(self) -> bool:
        return bool(self.repair)


_REPAIRS: Mapping[str, tuple[str, tuple[Mend, ...]]] = {
    "lone-surrogate": ("Take out the half characters", ()),
    "null-content": ("Take out turns without content", (_without_contentless_turns,)),
    "missing-field": ("Take out turns without content", (_without_contentless_turns,)),
    "wrong-type": ("Write whole numbers as text", (_numbers_as_text,)),
    "mixed-kinds": ("Write texts as messages", (_texts_as_turns,)),
    "empty-answer": ("Take out answers without text", (_without_empty_answers, _end_with_answer)),
    "unanswered": ("Take unanswered turns off the end", (_end_with_answer,)),
    "prompt-repeated": ("Take the prompt out of the answer", (_answers_without_prompt,)),
}

BAD: Mapping[str, Fault] = {code: Fault(code, name, *_REPAIRS.get(code, ("", ()))) for code, name in REASONS.items()}
"""Rows that cannot be trained on, by the codes of `reading.problems`."""

ODD: Mapping[str, Fault] = {
    fault.code: fault
    for fault in (
        Fault("control-characters", "control characters in the text", "Take them out", (_without_control_characters,)),
        Fault("outer-blanks", "blanks before or after a text", "Take them off", (_trimmed,)),
        Fault("other-roles", "roles in other words, such as human and gpt", "Write user, assistant …", (_known_roles,)),
        Fault("same-role", "neighbouring turns of one role", "Join them", (_joined_neighbours,)),
        Fault("open-end", "ends without an answer", "Take unanswered turns off the end", (_end_with_answer,)),
        Fault("equal-pair", "chosen and rejected are equal"),
        Fault("duplicate", "the same as an earlier row"),
    )
}
"""Rows that can be trained on, but are better otherwise; in the order in which they are looked at."""

FAULTS: Mapping[str, Fault] = {**BAD, **ODD}


def mended(code: str, raw: bytes) -> tuple[bytes, str] | None:
    """A bad row after the repair of its class, and what was done; None where nothing could be done."""
    if code == "lone-surrogate":
        return without_half_characters(raw)
    row = msgspec.json.decode(raw)
    if not isinstance(row, dict):
        return None
    done = [said for mend in BAD[code].mends if (said := mend(row))]
    return (msgspec.json.encode(row), " ".join(done)) if done else None


def odd(code: str, row: Fields) -> str:
    """What repairing an oddity did to a decoded row; empty where the row does not have it."""
    return " ".join(said for mend in ODD[code].mends if (said := mend(row)))
