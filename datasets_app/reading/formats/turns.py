"""Messages as they stand in chat, prompt–completion and preference rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import msgspec

from ..problems import BadRow
from .tools import calls_of

Role = Literal["system", "user", "assistant", "tool"]
"""Other names are written as one of these where it is known what they mean (`spellings`)."""
ROLES: tuple[str, ...] = get_args(Role)


class Turn(msgspec.Struct, gc=False, omit_defaults=True):
    """One message. An answer with weight 0 is read by the model and not learnt.

    Reasoning stands in one of three keys, as others write it; kept is the first, which chat templates read.
    """

    role: Role
    content: str
    tool_calls: Any = None
    name: str | None = None
    weight: float | None = None
    tool_call_id: str | None = None
    reasoning_content: Any = None
    thinking: Any = None
    reasoning: Any = None


def check_turns(column: str, turns: Sequence[Turn], *, answered: bool) -> None:
    """Raises BadRow for a list of messages that cannot be trained on. Calls of tools are written in one way.

    `answered` says whether it must hold an assistant turn, which a prompt need not.
    """
    if not turns:
        raise BadRow("empty-conversation", f"'{column}' is an empty list. Give it messages or remove the row.")
    answers = unlearnt = 0
    for turn in turns:
        if turn.tool_calls or turn.weight is not None or turn.reasoning_content or turn.thinking or turn.reasoning:
            _settle(turn, f"turn {turns.index(turn) + 1} in {column}")
            unlearnt += turn.weight == 0 and turn.role == "assistant"
        if turn.role == "assistant":
            answers += 1
            if (not turn.content or turn.content.isspace()) and not turn.tool_calls:
                raise BadRow("empty-answer", f"'{column}' has an assistant turn without text. Remove it or the row.")
    if answered and answers == unlearnt:
        if answers:
            raise BadRow("no-weight", f"Every assistant turn in '{column}' has weight 0, so no answer would be learnt.")
        raise BadRow("no-assistant-turn", f"'{column}' has no assistant turn, so there is no answer to learn.")


def _settle(turn: Turn, where: str) -> None:
    if turn.tool_calls:
        turn.tool_calls = calls_of(turn.tool_calls, where)
    if turn.weight is not None:
        if turn.weight not in (0, 1):
            raise BadRow("wrong-weight", f"The weight of {where} is {turn.weight:g}, and can only be 0 or 1.")
        turn.weight = int(turn.weight)
    reasoning = turn.reasoning_content or turn.thinking or turn.reasoning
    if reasoning is not None and not isinstance(reasoning, str):
        raise BadRow("not-text", f"The reasoning of {where} is no text. Write it as one, or remove it.")
    turn.reasoning_content = reasoning if turn.role == "assistant" else None


def characters(turns: Iterable[Turn]) -> int:
    return sum([len(turn.content) for turn in turns])


def joined(turns: Iterable[Turn]) -> str:
    return "".join([turn.content for turn in turns])


def plain_turns(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    return [_plain(turn) for turn in turns]


def _plain(turn: Turn) -> dict[str, Any]:
    """Keys that a turn does not have are left out."""
    plain: dict[str, Any] = {"role": turn.role, "content": turn.content}
    if turn.tool_calls:
        plain["tool_calls"] = turn.tool_calls
    if turn.name is not None:
        plain["name"] = turn.name
    if turn.weight is not None:
        plain["weight"] = turn.weight
    if turn.tool_call_id is not None:
        plain["tool_call_id"] = turn.tool_call_id
    if turn.reasoning_content:
        plain["reasoning_content"] = turn.reasoning_content
    return plain
