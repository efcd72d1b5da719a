"""Turns as other programs spell them, written as ours: names of roles, `from` and `value`, contents in parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ..problems import BadRow
from .tools import calls_of
from .turns import Role

ROLE_NAMES: Mapping[Role, tuple[str, ...]] = {
    "system": ("system", "developer", "context"),
    "user": ("user", "human", "prompter", "customer", "client", "instruction"),
    "assistant": (
        "assistant", "gpt", "chatgpt", "bard", "bing", "claude", "gemini", "bot", "chatbot", "ai", "model", "agent",
        "assistent",
    ),
    "tool": ("tool", "observation", "function", "ipython", "tool_response", "function_response", "tool_result"),
}  # fmt: skip
CALLS = ("function_call", "tool_call", "tool_calls")
"""Roles of turns that are nothing but a call of tools, written as JSON."""
ROLE_OF: Mapping[str, Role] = {
    **{name: role for role, names in ROLE_NAMES.items() for name in names},
    **dict.fromkeys(CALLS, "assistant"),
}
ROLE_KEYS = ("role", "from")
CONTENT_KEYS = ("content", "value", "text")
_KEPT = ("name", "weight", "tool_call_id", "reasoning_content", "thinking", "reasoning")
LONGEST_NAME = 40

Renamed = Counter[tuple[str, str]]
"""How often each role was written in another way: (as in the file, as it is trained)."""


def spelt(column: str, turns: list[Any], renamed: Renamed) -> list[Any]:
    """The turns with our names for keys and roles. What cannot be understood is left for the decoder to refuse."""
    return [
        _turn(f"turn {number} in {column}", turn, renamed) if isinstance(turn, dict) else turn
        for number, turn in enumerate(turns, 1)
    ]


def _turn(where: str, turn: Mapping[str, Any], renamed: Renamed) -> dict[str, Any]:
    written = next((turn[key] for key in ROLE_KEYS if key in turn), msgspec.UNSET)
    content = next((turn[key] for key in CONTENT_KEYS if key in turn), msgspec.UNSET)
    calls = turn.get("tool_calls") or _legacy(turn.get("function_call"))
    role = written
    if isinstance(written, str):
        known = ROLE_OF.get(written.strip().lower())
        role = known or written
        if written.strip().lower() in CALLS and isinstance(content, str):
            calls, content = content, ""
        if known and known != written:
            renamed[written.strip(), known] += 1
    new = {key: turn[key] for key in _KEPT if turn.get(key) is not None}
    if calls:
        new["tool_calls"] = calls_of(calls, where)
        content = "" if content is None or content is msgspec.UNSET else content
    if isinstance(content, list) and all(isinstance(part, str | dict) for part in content):
        content = "".join(_texts(content, where))
    if role is not msgspec.UNSET:
        new["role"] = role
    if content is not msgspec.UNSET:
        new["content"] = content
    return new


def _legacy(call: Any) -> Any:
    """A call as it was written before one turn could hold several."""
    return [call] if isinstance(call, dict) else call


def _texts(parts: Iterable[str | dict[str, Any]], where: str) -> Iterator[str]:
    for part in parts:
        text = part if isinstance(part, str) else part.get("text")
        if not isinstance(text, str):
            kind = part.get("type") if isinstance(part, dict) else None
            what = f"a part of type {kind[:LONGEST_NAME]}" if isinstance(kind, str) else "a part without text"
            raise BadRow(
                "not-text", f"The content of {where} has {what}, and only text can be trained. Remove it or the row."
            )
        yield text
