"""Messages as they stand in chat, prompt–completion and preference rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import msgspec

from ..problems import BadRow

Role = Literal["system", "user", "assistant", "tool"]
"""`developer` is none of them: only one model line knows it, the templates of the others drop it silently."""
ROLES: tuple[str, ...] = get_args(Role)


class Turn(msgspec.Struct, gc=False):
    """One message."""

    role: Role
    content: str
    tool_calls: list[msgspec.Raw] | None = None


def check_turns(column: str, turns: Sequence[Turn], *, answered: bool) -> None:
    """Raises BadRow for a list of messages that cannot be trained on.

    `answered` says whether it must hold an assistant turn, which a prompt need not.
    """
    if not turns:
        raise BadRow("empty-conversation", f"'{column}' is an empty list. Give it messages or remove the row.")
    answers = 0
    for turn in turns:
        if turn.tool_calls:
            raise BadRow("tool-calls", f"'{column}' has a turn with tool_calls, which many templates leave out.")
        if turn.role == "assistant":
            answers += 1
            if not turn.content or turn.content.isspace():
                raise BadRow("empty-answer", f"'{column}' has an assistant turn without text. Remove it or the row.")
    if answered and not answers:
        raise BadRow("no-assistant-turn", f"'{column}' has no assistant turn, so there is no answer to learn.")


def characters(turns: Iterable[Turn]) -> int:
    return sum([len(turn.content) for turn in turns])


def joined(turns: Iterable[Turn]) -> str:
    return "".join([turn.content for turn in turns])


def plain_turns(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    return [{"role": turn.role, "content": turn.content} for turn in turns]
