"""Calls of tools as a template takes them: their arguments as an object, or as JSON in a text."""

from __future__ import annotations

import json
from typing import Any

CALL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "MarkToolName", "arguments": {"MarkArgument": "MarkValue"}},
}
CALL_AS_TEXT: dict[str, Any] = {
    "type": "function",
    "function": {"name": "MarkToolName", "arguments": '{"MarkArgument": "MarkValue"}'},
}
"""The same call in both forms, with words that cannot be overlooked in what a template makes of it."""
_PRINTED, _JSON = str(CALL["function"]["arguments"]), CALL_AS_TEXT["function"]["arguments"]


def conversation(call: dict[str, Any]) -> list[dict[str, Any]]:
    """A short one with this call: what comes of it tells how a template takes calls."""
    return [
        {"role": "user", "content": "MarkUserOne"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "MarkToolOne", "name": "MarkToolName"},
        {"role": "assistant", "content": "MarkAnswerTwo"},
    ]


def wants_text(as_object: str | None, as_text: str | None) -> bool:
    """Whether the arguments of a call must be JSON in a text: an object is refused, or written as Python prints it.

    Given is what a template made of a conversation with each form; None: it refused.
    """
    if as_text is None or as_object is None:
        return as_text is not None
    return _PRINTED in as_object and _JSON in as_text


def with_calls_as_text(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Arguments of calls as JSON in a text. The rows themselves stay as they are."""
    return [
        {**turn, "tool_calls": [_as_text(call) for call in turn["tool_calls"]]} if turn.get("tool_calls") else turn
        for turn in messages
    ]


def _as_text(call: dict[str, Any]) -> dict[str, Any]:
    called = call["function"]
    arguments = called["arguments"]
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {**call, "function": {**called, "arguments": written}}
