"""A prompt or an answer, which is text in one file and a list of messages in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..problems import BadRow
from ..tally import Tally
from . import spellings
from .extras import order
from .spellings import Renamed
from .tools import parsed
from .turns import Turn, characters, check_turns, joined, plain_turns

Side = str | list[Turn]


def is_conversational(fields: Mapping[str, bytes], columns: Sequence[str]) -> bool:
    """Whether a side of the row is a list, as it stands in the file."""
    return any(fields.get(column, b"")[:1] == b"[" for column in columns)


def spelt(fields: Any, columns: Sequence[str], renamed: Renamed) -> Any:
    """A row of messages, some of which are written in another way. A single text beside messages becomes a turn."""
    if not isinstance(fields, dict):
        return fields
    given = {column: parsed(fields[column]) for column in columns if column in fields}
    texts = [column for column, side in given.items() if isinstance(side, str)]
    for column, side in given.items():
        if isinstance(side, list):
            given[column] = spellings.spelt(column, side, renamed)
        elif isinstance(side, dict):
            given[column] = spellings.spelt(column, [side], renamed)
        elif isinstance(side, str) and len(texts) < len(given):
            given[column] = [{"role": "user" if column == "prompt" else "assistant", "content": side}]
    return {**fields, **given}


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
    return [order([*prompt, *answer]) for answer in answers if isinstance(answer, list)]


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
