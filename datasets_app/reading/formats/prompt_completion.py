"""A prompt and the completion to learn, as texts or as lists of messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..tally import Tally
from . import sides
from .base import RowFormat
from .extras import count_extras
from .sides import Side
from .spellings import Renamed
from .tools import tools_of
from .turns import Turn


class TextPair(msgspec.Struct, gc=False):
    prompt: str
    completion: str


class TurnsPair(msgspec.Struct, gc=False):
    prompt: list[Turn]
    completion: list[Turn]
    tools: Any = None


Pair = TextPair | TurnsPair


class PromptCompletion(RowFormat[Pair]):
    name = layout = "prompt_completion"
    columns = ("prompt", "completion")

    def __init__(self, *, conversational: bool) -> None:
        super().__init__()
        self._kind: type[Pair] = TurnsPair if conversational else TextPair
        self._decode = msgspec.json.Decoder(self._kind).decode

    @classmethod
    def is_conversational(cls, fields: Mapping[str, bytes]) -> bool:
        return sides.is_conversational(fields, cls.columns)

    def read(self, raw: bytes) -> Pair:
        try:
            row = self._decode(raw)
        except msgspec.ValidationError:
            if self._kind is TextPair:
                raise
            return self.respelt(lambda renamed: self.checked(self.spelt(msgspec.json.decode(raw), renamed)))
        return self.checked(row)

    def spelt(self, fields: Any, renamed: Renamed) -> Pair:
        """A row of messages that are written in another way."""
        return msgspec.convert(sides.spelt(fields, self.columns, renamed), self._kind)

    @staticmethod
    def checked(row: Pair) -> Pair:
        if isinstance(row, TurnsPair) and row.tools is not None:
            row.tools = tools_of(row.tools)
        sides.check_prompt(row.prompt)
        sides.check_answer("completion", row.completion, row.prompt)
        return row

    def measure(self, row: Pair, size: int, tally: Tally) -> None:
        prompt: Side = row.prompt
        completion: Side = row.completion
        sides.count_roles(prompt, tally)
        sides.count_roles(completion, tally)
        tally.add_conversations(sides.orders(prompt, completion))
        room = 0
        if isinstance(row, TurnsPair):
            room = count_extras([*row.prompt, *row.completion], row.tools, tally)
        tally.add(
            sides.length(prompt) + sides.length(completion),
            sides.turns(prompt) + sides.turns(completion),
            size + room,
            lambda: sides.text(prompt) + sides.text(completion) + " " * room,
        )

    def plain(self, row: Pair) -> dict[str, Any]:
        pair = {"prompt": sides.plain(row.prompt), "completion": sides.plain(row.completion)}
        return {**pair, "tools": row.tools} if isinstance(row, TurnsPair) and row.tools else pair
