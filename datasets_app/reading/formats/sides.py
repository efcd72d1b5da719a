"""A prompt or an answer, which is text in one file and a list of messages in another."""

from __future__ import annotations

from typing import Any

from ..problems import BadRow
from ..shapes import order_of
from ..tally import Tally
from .turns import Turn, characters, check_turns, joined, plain_turns

Side = str | list[Turn]


def check_prompt(prompt: Side) -> None:
    """An empty text prompt is allowed: it trains the answer without a question."""
    if isinstance(prompt, list):
        check_turns("prompt", prompt, answered=False)


def check_answer(column: str, answer: Side, prompt: Side) -> None:
    if isinstance(answer, list) and isinstance(prompt, list):
        check_turns(column, answer, answered=True)
        if answer[-1].role != "assistant":
            raise BadRow("unanswered", f"'{column}' ends with a turn of the {answer[-1].role}. End it with an answer.")
        if answer[: len(prompt)] == prompt:
            raise BadRow(
                "prompt-repeated", f"'{column}' begins with the prompt's messages, which would be trained twice."
            )
    elif isinstance(answer, str) and (not answer or answer.isspace()):
        raise BadRow("empty-answer", f"'{column}' is empty: nothing can be learnt from it. Remove the row.")


def orders(prompt: Side, *answers: Side) -> list[str]:
    """In which order the prompt followed by each answer goes; texts are no conversations."""
    if isinstance(prompt, str):
        return []
    return [_order([*prompt, *answer]) for answer in answers if isinstance(answer, list)]


def _order(turns: list[Turn]) -> str:
    return order_of(tuple([turn.role for turn in turns]), [turn.content for turn in turns])


def length(side: Side) -> int:
    return len(side) if isinstance(side, str) else characters(side)


def turns(side: Side) -> int:
    return 0 if isinstance(side, str) else len(side)


def text(side: Side) -> str:
    return side if isinstance(side, str) else joined(side)


def plain(side: Side) -> str | list[dict[str, Any]]:
    return side if isinstance(side, str) else plain_turns(side)


def count_roles(side: Side, tally: Tally) -> None:
    if isinstance(side, list):
        tally.roles.update([turn.role for turn in side])
