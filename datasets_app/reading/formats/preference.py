"""A prompt with a chosen and a rejected answer, as texts or as lists of messages."""

from __future__ import annotations

from typing import Any

import msgspec

from ..tally import Tally
from . import sides
from .base import RowFormat
from .sides import Side
from .turns import Turn


class TextChoice(msgspec.Struct, gc=False):
    prompt: str
    chosen: str
    rejected: str


class TurnsChoice(msgspec.Struct, gc=False):
    prompt: list[Turn]
    chosen: list[Turn]
    rejected: list[Turn]


Choice = TextChoice | TurnsChoice


class Preference(RowFormat[Choice]):
    """Equal answers are counted but no bad rows: they train nothing, and a rule warns of them."""

    name = "preference"
    columns = ("prompt", "chosen", "rejected")

    def __init__(self, *, conversational: bool) -> None:
        kind: type[Choice] = TurnsChoice if conversational else TextChoice
        self._decode = msgspec.json.Decoder(kind).decode

    def read(self, raw: bytes) -> Choice:
        row = self._decode(raw)
        sides.check_prompt(row.prompt)
        sides.check_answer("chosen", row.chosen, row.prompt)
        sides.check_answer("rejected", row.rejected, row.prompt)
        return row

    def measure(self, row: Choice, size: int, tally: Tally) -> None:
        prompt: Side = row.prompt
        longer: Side = max(row.chosen, row.rejected, key=lambda side: len(sides.text(side)))
        for side in (row.prompt, row.chosen, row.rejected):
            sides.count_roles(side, tally)
        tally.equal_pairs += row.chosen == row.rejected
        tally.add(
            sides.length(prompt) + sides.length(longer),
            sides.turns(prompt) + max(sides.turns(row.chosen), sides.turns(row.rejected)),
            size,
            lambda: sides.text(prompt) + max(sides.text(row.chosen), sides.text(row.rejected), key=_bytes),
        )

    def plain(self, row: Choice) -> dict[str, Any]:
        return {column: sides.plain(getattr(row, column)) for column in self.columns}


def _bytes(text: str) -> int:
    return len(text.encode())
