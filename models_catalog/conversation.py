"""A conversation as the template playground's form holds it: read within bounds, added to, replaced by an example."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict

MOST_TURNS = 24
MOST_CHARACTERS = 20_000
LONGEST_ROLE = 40
ROLES = ("system", "user", "assistant", "tool", "developer")
OWN = {"role", "content"}


class Unreadable(Exception):
    """What was typed is no conversation; the text says what is wrong, and where."""


@dataclass(frozen=True)
class Turn:
    """One row of the form. `more` holds the other keys of a message, such as tool_calls, as JSON."""

    role: str = "user"
    content: str = ""
    more: str = ""

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Turn:
        content = message.get("content")
        others = {key: value for key, value in message.items() if key not in OWN and value is not None}
        if content is not None and not isinstance(content, str):
            others["content"] = content
        return cls(str(message.get("role", "")), content if isinstance(content, str) else "", _json(others))

    def message(self, number: int) -> dict[str, Any]:
        others = _object(self.more, f"The other keys of turn {number}") if self.more.strip() else {}
        return {"role": self.role, "content": self.content, **others}


@dataclass(frozen=True)
class Conversation:
    """All that a template is rendered with."""

    turns: tuple[Turn, ...]
    tools: str = ""
    ask_for_answer: bool = False

    @classmethod
    def read(cls, sent: QueryDict) -> Conversation:
        """What the form sent. Too much of it is Unreadable, so that nobody keeps the machine busy with one request."""
        roles, contents, more = (sent.getlist(name) for name in ("role", "content", "more"))
        if sum(len(text) for text in (*roles, *contents, *more, sent.get("tools", ""))) > MOST_CHARACTERS:
            raise Unreadable(
                f"The playground takes {MOST_CHARACTERS:,} characters in all; this conversation is longer."
            )
        rows = zip(roles, contents, more + [""] * len(roles), strict=False)
        turns = tuple(Turn(role[:LONGEST_ROLE], _lines(content), other) for role, content, other in rows)
        return cls(turns[:MOST_TURNS], sent.get("tools", ""), "ask_for_answer" in sent)

    def messages(self) -> list[dict[str, Any]]:
        return [turn.message(number) for number, turn in enumerate(self.turns, 1)]

    def tool_list(self) -> list[Any] | None:
        if not self.tools.strip():
            return None
        tools = _parsed(self.tools, "Tools")
        if not isinstance(tools, list):
            raise Unreadable("Tools are a JSON list, such as [{…}]; this is none.")
        return tools

    @property
    def has_room(self) -> bool:
        return len(self.turns) < MOST_TURNS

    def with_turn(self) -> Conversation:
        """One turn more; after a user the assistant speaks."""
        last = self.turns[-1].role if self.turns else ""
        added = Turn("assistant" if last == "user" else "user")
        return replace(self, turns=(*self.turns, added)[:MOST_TURNS])

    def without_turn(self, number: int) -> Conversation:
        kept = tuple(turn for place, turn in enumerate(self.turns, 1) if place != number)
        return replace(self, turns=kept)


def _lines(text: str) -> str:
    """Browsers send every line break as two characters."""
    return text.replace("\r\n", "\n")


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) if value else ""


def _parsed(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Unreadable(f"{what} cannot be read as JSON{where}.") from None


def _object(text: str, what: str) -> dict[str, Any]:
    value = _parsed(text, what)
    if not isinstance(value, dict):
        raise Unreadable(f"{what} must be a JSON object, such as {{…}}.")
    return value


def from_messages(messages: Sequence[Mapping[str, Any]], tools: Any = None) -> Conversation:
    """The beginning of a conversation, as much as the form can hold."""
    turns: list[Turn] = []
    room = MOST_CHARACTERS // 2
    for message in messages[:MOST_TURNS]:
        turn = Turn.of(message)
        room -= len(turn.content) + len(turn.more)
        if room < 0 and turns:
            break
        turns.append(replace(turn, content=turn.content[: MOST_CHARACTERS // 4]))
    return Conversation(tuple(turns), _json(tools))


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}
CALL = {"type": "function", "function": {"name": "weather", "arguments": {"place": "Helgoland"}}}
ASKED = {"role": "user", "content": "How high is the lighthouse?"}
SAID = {"role": "assistant", "content": "Thirty-one metres, and it needs paint."}
EXAMPLES: dict[str, tuple[str, Conversation]] = {
    "question": ("A question and its answer", from_messages([ASKED, SAID])),
    "system": (
        "With a system message",
        from_messages([{"role": "system", "content": "You keep a lighthouse. Answer briefly."}, ASKED, SAID]),
    ),
    "turns": (
        "Several turns",
        from_messages([ASKED, SAID, {"role": "user", "content": "Who paints it?"},
                       {"role": "assistant", "content": "I do, in May."}]),
    ),
    "tools": (
        "A tool is called",
        from_messages(
            [{"role": "user", "content": "What is the weather on Helgoland?"},
             {"role": "assistant", "content": "", "tool_calls": [CALL]},
             {"role": "tool", "name": "weather", "content": "Storm, force 9"},
             {"role": "assistant", "content": "A storm, force 9. Stay in."}],
            [WEATHER],
        ),
    ),
    "prompt": (
        "A question, for the model to answer",
        replace(from_messages([ASKED]), ask_for_answer=True),
    ),
    "unknown": (
        "A role the template may not know",
        from_messages([ASKED, {"role": "narrator", "content": "The wind rises."}, SAID]),
    ),
}  # fmt: skip
"""Conversations to begin with, by the name in the address: what they are called, and what is said."""
