"""A prompt and the completion to learn, as texts or as lists of messages."""

from __future__ import annotations

from typing import Any

import msgspec

from ..tally import Tally
from . import sides
from .base import RowFormat
from .sides import Side
from .turns import Turn


class TextPair(msgspec.Struct, gc=False):
    prompt: str
    completion: str


class TurnsPair(msgspec.Struct, gc=False):
    prompt: list[Turn]
    completion: list[Turn]


Pair = TextPair | TurnsPair


class PromptCompletion(RowFormat[Pair]):
    name = "prompt_completion"
    columns = ("prompt", "completion")

    def __init__(self, *, conversational: bool) -> None:
        kind: type[Pair] = TurnsPair if conversational else TextPair
        self._decode = msgspec.json.Decoder(kind).decode

    def read(self, raw: bytes) -> Pair:
        row = self._decode(raw)
        sides.check_prompt(row.prompt)
        sides.check_answer("completion", row.completion, row.prompt)
        return row

    def measure(self, row: Pair, size: int, tally: Tally) -> None:
        prompt: Side = row.prompt
        completion: Side = row.completion
        sides.count_roles(prompt, tally)
        sides.count_roles(completion, tally)
        tally.add_conversations(sides.orders(prompt, completion))
        tally.add(
            sides.length(prompt) + sides.length(completion),
            sides.turns(prompt) + sides.turns(completion),
            size,
            lambda: sides.text(prompt) + sides.text(completion),
        )

    def plain(self, row: Pair) -> dict[str, Any]:
        return {"prompt": sides.plain(row.prompt), "completion": sides.plain(row.completion)}
