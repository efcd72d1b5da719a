"""Conversations that bring to light what a chat template does: short, and with words that cannot be overlooked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.preparation.calls import CALL, CALL_AS_TEXT, conversation

Message = dict[str, Any]


def _turn(role: str, content: Any, **more: Any) -> Message:
    return {"role": role, "content": content, **more}


SYSTEM, SYSTEM_2 = _turn("system", "MarkSystemOne"), _turn("system", "MarkSystemTwo")
USER, USER_2 = _turn("user", "MarkUserOne"), _turn("user", "MarkUserTwo")
ANSWER, ANSWER_2 = _turn("assistant", "MarkAnswerOne"), _turn("assistant", "MarkAnswerTwo")
TOOL = _turn("tool", "MarkToolOne")
CRITIC = _turn("critic", "MarkCriticOne")
REASONED = _turn("assistant", "<think>\nMarkReasonOne\n</think>\n\nMarkAnswerOne")
MARKS = ("MarkSystemOne", "MarkSystemTwo", "MarkUserOne", "MarkUserTwo", "MarkAnswerOne", "MarkAnswerTwo",
         "MarkToolOne", "MarkCriticOne", "MarkReasonOne")  # fmt: skip


def _without_content(turn: Message) -> Message:
    return {**turn, "content": ""}


def _in_parts(turn: Message) -> Message:
    return {**turn, "content": [{"type": "text", "text": turn["content"]}]}


CALL_MARKS = ("MarkToolName", "MarkArgument", "MarkValue")
_SCHEMA = {
    "type": "function",
    "function": {
        "name": "MarkToolName",
        "description": "MarkDescription",
        "parameters": {"type": "object", "properties": {"MarkArgument": {"type": "string"}}},
    },
}


@dataclass(frozen=True)
class Probe:
    """One conversation, as a row would hold it, or as a prompt that waits for an answer."""

    messages: Sequence[Message]
    waits: bool = False
    tools: Sequence[Mapping[str, Any]] | None = None

    @property
    def marks(self) -> tuple[str, ...]:
        """What must come out, in the order of `MARKS`."""
        told = str(self.messages)
        return tuple(mark for mark in MARKS if mark in told)


BASE = {
    "plain": Probe([USER, ANSWER]),
    "system": Probe([SYSTEM, USER, ANSWER]),
    "many-exchanges": Probe([USER, ANSWER, USER_2, ANSWER_2]),
    "tool": Probe([USER, ANSWER, TOOL, ANSWER_2]),
}
"""Where a template renders none of the first three, nothing can be done with it."""

SHAPES = {
    "no-system": BASE["plain"],
    "many-exchanges": BASE["many-exchanges"],
    "two-systems": Probe([SYSTEM, SYSTEM_2, USER, ANSWER]),
    "late-system": Probe([USER, SYSTEM, ANSWER]),
    "two-users": Probe([USER, USER_2, ANSWER]),
    "two-assistants": Probe([USER, ANSWER, ANSWER_2]),
    "starts-with-assistant": Probe([ANSWER, USER, ANSWER_2]),
    "no-user": Probe([SYSTEM, ANSWER]),
    "ends-unanswered": Probe([USER, ANSWER, USER_2]),
    "empty-user": Probe([_without_content(USER), ANSWER]),
    "empty-system": Probe([_without_content(SYSTEM), USER, ANSWER]),
    "empty-tool": Probe([USER, ANSWER, _without_content(TOOL), ANSWER_2]),
    "reasoning-early": Probe([USER, REASONED, USER_2, ANSWER_2]),
    "reasoning-last": Probe([USER, REASONED]),
}
"""Kinds of rows that training data has, by the names that `datasets_app.reading` counts them under."""

PROMPTS = {
    "prompt": Probe([USER], waits=True),
    "system-prompt": Probe([SYSTEM, USER], waits=True),
    "second-prompt": Probe([USER, ANSWER, USER_2], waits=True),
}
BEGINNINGS = {
    "first-turn": Probe([USER]),
    "first-exchange": Probe([USER, ANSWER]),
    "third-turn": Probe([USER, ANSWER, USER_2]),
}
CONTENTS = {
    "unknown-role": Probe([USER, CRITIC, USER_2, ANSWER]),
    "missing-user": Probe([_turn("user", None), ANSWER]),
    "missing-answer": Probe([USER, _turn("assistant", None)]),
    "empty-answer": Probe([USER, _without_content(ANSWER)]),
    "parts-user": Probe([_in_parts(USER), ANSWER]),
    "parts-answer": Probe([USER, _in_parts(ANSWER)]),
}
_TOOL_ANSWER = _turn("tool", "MarkToolOne", name="MarkToolName")
TOOLS = {
    "tools": Probe([USER, ANSWER], tools=[_SCHEMA]),
    "call": Probe(conversation(CALL)),
    "call-as-text": Probe(conversation(CALL_AS_TEXT)),
    "call-beside-text": Probe([USER, _turn("assistant", "MarkAnswerOne", tool_calls=[CALL]), _TOOL_ANSWER, ANSWER_2]),
}
_REASONED_APART = {**ANSWER, "reasoning_content": "MarkReasonOne"}
REASONING = {
    "reasoned-apart": Probe([USER, _REASONED_APART]),
    "reasoned-apart-early": Probe([USER, _REASONED_APART, USER_2, ANSWER_2]),
}
"""Reasoning in a key of its own."""
PROBES: Mapping[str, Probe] = BASE | SHAPES | PROMPTS | BEGINNINGS | CONTENTS | TOOLS | REASONING
