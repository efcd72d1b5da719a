"""Columns of a file that is not recognised, made into rows of a format as somebody says: which column is what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from .explain import explain
from .formats import row_format
from .problems import ROW_ERRORS, BadRow
from .rows import Row

PURPOSES: Mapping[str, str] = {
    "text": "text to learn",
    "prompt": "question or prompt",
    "completion": "answer",
    "chosen": "the better answer",
    "rejected": "the worse answer",
    "system": "system prompt",
    "user": "what the user says",
    "assistant": "what the assistant says",
    "messages": "a list of turns",
}
"""What a column can be, as code and in words."""
FORMATS: Mapping[str, frozenset[str]] = {
    "text": frozenset({"text"}),
    "preference": frozenset({"prompt", "chosen", "rejected"}),
    "prompt_completion": frozenset({"prompt", "completion"}),
    "messages": frozenset({"user", "assistant"}),
}
"""By format, the purposes that make it. A column of turns makes a chat by itself."""
GUESSES: Mapping[str, tuple[str, ...]] = {
    "text": ("content", "body", "document", "article", "passage", "story", "code"),
    "prompt": ("ask", "request", "title", "source", "src", "q", "topic", "headline", "message", "ticket"),
    "completion": ("reply_to", "reply_text", "target", "tgt", "a", "summary", "resolution", "translation"),
    "chosen": ("good", "accepted", "winner", "better", "preferred"),
    "rejected": ("bad", "refused", "loser", "worse", "dispreferred"),
    "system": ("system", "system_prompt", "persona"),
}
MOST_COLUMNS = 32
LONGEST_SYSTEM = 20_000
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Unfit(ValueError):
    """A plan of which no rows can be made; the text says why and what to do."""


@dataclass(frozen=True)
class Plan:
    """What each column is, in the order in which columns of the same purpose follow each other.

    `system` is a system prompt that all rows get; with `chat`, prompts and answers are written as turns.
    """

    columns: tuple[tuple[str, str], ...]
    system: str = ""
    chat: bool = True

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Plan:
        """From JSON values. Raises `Unfit`."""
        listed = options.get("columns")
        if not isinstance(listed, Sequence) or isinstance(listed, str) or len(listed) > MOST_COLUMNS:
            raise Unfit(f"“columns” must be a list of at most {MOST_COLUMNS} columns, each with its purpose.")
        system = options.get("system") or ""
        if not isinstance(system, str) or len(system) > LONGEST_SYSTEM:
            raise Unfit(f"The system prompt must be a text of at most {LONGEST_SYSTEM:,} characters.")
        columns = tuple(map(_column, listed))
        if len({column for column, _ in columns}) < len(columns):
            raise Unfit("A column is named twice. Name each once.")
        plan = cls(columns, system.strip(), bool(options.get("chat", True)))
        _ = plan.format  # so that what does not go together is said here
        return plan

    def as_options(self) -> dict[str, Any]:
        columns = [{"column": column, "purpose": purpose} for column, purpose in self.columns]
        return {"columns": columns, "system": self.system, "chat": self.chat}

    @cached_property
    def format(self) -> str:
        """The format that its purposes make. Raises `Unfit` where they make none."""
        given = frozenset(purpose for _, purpose in self.columns)
        roles = given - {"system"}
        if not roles:
            raise Unfit("No column is used. Say of at least one what it holds.")
        if "messages" in roles:
            if len(self.columns) - ("system" in given) == 1:
                return "messages"
            raise Unfit("A list of turns is a whole chat, so no other column can be used beside it, except for system.")
        for name, needed in FORMATS.items():
            if roles == needed:
                return name
        raise Unfit(_what_is_missing(roles))

    @property
    def conversational(self) -> bool:
        if self.format == "messages":
            return True
        return self.format != "text" and (self.chat or bool(self.system) or bool(self._named("system")))

    def _named(self, purpose: str) -> list[str]:
        return [column for column, meant in self.columns if meant == purpose]

    def row(self, raw: bytes) -> dict[str, Any]:
        """The row in its new format, checked as if it had been uploaded so. Raises `BadRow`."""
        try:
            made = self._made(_decode(raw))
            form = row_format(self.format, conversational=self.conversational)
            return form.plain(form.read(msgspec.json.encode(made)))
        except ROW_ERRORS as error:
            raise explain(error, raw) from error

    def _made(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        missing = [column for column, _ in self.columns if column not in fields]
        if missing and len(missing) == len(self.columns):
            raise BadRow("missing-field", f"The row has no '{missing[0]}'. Add it or remove the row.")
        if self.format == "text":
            return {"text": self._joined(fields, "text")}
        system = self._system(fields)
        if self.format == "messages":
            return {"messages": [*system, *self._turns(fields)]}
        sides = {purpose: self._joined(fields, purpose) for purpose in FORMATS[self.format]}
        if not self.conversational:
            return sides
        made = {purpose: [_turn("assistant", text)] for purpose, text in sides.items() if purpose != "prompt"}
        return {"prompt": [*system, _turn("user", sides["prompt"])], **made}

    def _joined(self, fields: Mapping[str, Any], purpose: str) -> str:
        texts = (as_text(fields.get(column)) for column in self._named(purpose))
        return "\n".join(text for text in texts if text)

    def _system(self, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
        text = "\n".join(part for part in (self.system, self._joined(fields, "system")) if part)
        return [_turn("system", text)] if text else []

    def _turns(self, fields: Mapping[str, Any]) -> list[Any]:
        turns: list[Any] = []
        for column, purpose in self.columns:
            value = fields.get(column)
            if purpose == "messages":
                turns += value if isinstance(value, list) else [value]
            elif purpose in ("user", "assistant") and (text := as_text(value)):
                turns.append(_turn(purpose, text))
        return turns


def _column(given: Any) -> tuple[str, str]:
    if not isinstance(given, Mapping) or not isinstance(given.get("column"), str):
        raise Unfit("Each column is an object with “column” and “purpose”.")
    purpose = given.get("purpose")
    if purpose not in PURPOSES:
        raise Unfit(f"“{str(purpose)[:40]}” is no purpose. Use one of {', '.join(PURPOSES)}.")
    return given["column"], str(purpose)


def _what_is_missing(roles: frozenset[str]) -> str:
    words = ", ".join(f"“{PURPOSES[each]}”" for each in PURPOSES if each in roles)
    if "chosen" in roles or "rejected" in roles:
        return f"{words}: a preference needs a question or prompt, the better and the worse answer, and nothing else."
    if roles <= {"prompt", "completion"}:
        return f"{words} alone: a question needs an answer, and an answer a question."
    if roles <= {"user", "assistant"}:
        return f"{words} alone: a chat needs columns of what the user and of what the assistant says."
    return f"{words} do not go together. Use either text, or question and answer, or turns."


def _turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def as_text(value: Any) -> str:
    """Numbers as they are written; lists of texts line by line; anything else as JSON; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "\n".join(value)
    return json.dumps(value, ensure_ascii=False)


def guessed(columns: Sequence[str]) -> dict[str, str]:
    """What the names of columns suggest, for a form to begin with. Each purpose once."""
    guess: dict[str, str] = {}
    for purpose, names in GUESSES.items():
        for column in columns:
            if column.strip().lower() in names and purpose not in guess.values():
                guess.setdefault(column, purpose)
    return guess


def mapped(rows: Iterable[Row], plan: Plan) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    """Line and new row of each row, or the `BadRow` that says why there is none."""
    for line, raw in rows:
        try:
            yield line, plan.row(raw)
        except BadRow as reason:
            yield line, reason
