"""A prompt with a chosen and a rejected answer, as texts or as lists of messages.

Where the prompt is no field of its own, both answers begin with it, and it is cut off here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ..problems import BadRow
from ..tally import Tally
from . import sides
from .base import RowFormat
from .extras import count_extras
from .sides import Side
from .spellings import Renamed
from .tools import parsed, tools_of
from .turns import Turn


class TextChoice(msgspec.Struct, gc=False):
    chosen: str
    rejected: str
    prompt: str | UnsetType = UNSET


class TurnsChoice(msgspec.Struct, gc=False):
    chosen: list[Turn]
    rejected: list[Turn]
    prompt: list[Turn] | UnsetType = UNSET
    tools: Any = None


Choice = TextChoice | TurnsChoice


class Preference(RowFormat[Choice]):
    """Equal answers are counted but no bad rows: they train nothing, and a rule warns of them."""

    name = layout = "preference"
    columns = ("prompt", "chosen", "rejected")

    def __init__(self, *, conversational: bool) -> None:
        super().__init__()
        self._kind: type[Choice] = TurnsChoice if conversational else TextChoice
        self._decode = msgspec.json.Decoder(self._kind).decode

    @classmethod
    def recognises(cls, fields: Mapping[str, bytes]) -> bool:
        """Without a prompt, answers that are objects are those of a format that keeps the prompt elsewhere."""
        if super().recognises(fields):
            return True
        return all(fields.get(answer, b"")[:1] in (b'"', b"[") for answer in ("chosen", "rejected"))

    @classmethod
    def is_conversational(cls, fields: Mapping[str, bytes]) -> bool:
        return sides.is_conversational(fields, ("chosen", "rejected"))

    def read(self, raw: bytes) -> Choice:
        try:
            row = self._decode(raw)
        except msgspec.ValidationError:
            if self._kind is TextChoice:
                raise
            return self.respelt(lambda renamed: self.checked(self.spelt(msgspec.json.decode(raw), renamed)))
        return self.checked(row)

    def spelt(self, fields: Any, renamed: Renamed) -> Choice:
        """A row of messages that are written in another way.

        A prompt that is a text is left out where the answers, being whole conversations, hold it already.
        """
        fields = sides.spelt(_without_repeated_prompt(fields), self.columns, renamed)
        return msgspec.convert(fields, self._kind)

    @staticmethod
    def checked(row: Choice) -> Choice:
        row = _with_prompt(row)
        if isinstance(row, TurnsChoice) and row.tools is not None:
            row.tools = tools_of(row.tools)
        if not row.prompt:
            raise BadRow("no-prompt", "'prompt' is empty: there is no question that one answer suits better. Fill it.")
        prompt = _prompt(row)
        sides.check_prompt(prompt)
        sides.check_answer("chosen", row.chosen, prompt)
        sides.check_answer("rejected", row.rejected, prompt)
        return row

    def measure(self, row: Choice, size: int, tally: Tally) -> None:
        prompt = _prompt(row)
        longer: Side = max(row.chosen, row.rejected, key=lambda side: len(sides.text(side)))
        for side in (prompt, row.chosen, row.rejected):
            sides.count_roles(side, tally)
        tally.add_conversations(sides.orders(prompt, row.chosen, row.rejected))
        tally.equal_pairs += row.chosen == row.rejected
        room = 0
        if isinstance(row, TurnsChoice):
            answers = max(row.chosen, row.rejected, key=len)
            room = count_extras([*(row.prompt or ()), *answers], row.tools, tally)
        tally.add(
            sides.length(prompt) + sides.length(longer),
            sides.turns(prompt) + max(sides.turns(row.chosen), sides.turns(row.rejected)),
            size + room,
            lambda: sides.text(prompt) + max(sides.text(row.chosen), sides.text(row.rejected), key=_bytes) + " " * room,
        )

    def plain(self, row: Choice) -> dict[str, Any]:
        choice = {column: sides.plain(getattr(row, column)) for column in self.columns}
        return {**choice, "tools": row.tools} if isinstance(row, TurnsChoice) and row.tools else choice


def _without_repeated_prompt(fields: Any) -> Any:
    if not isinstance(fields, dict) or not isinstance(fields.get("prompt"), str):
        return fields
    chosen, rejected = parsed(fields.get("chosen")), parsed(fields.get("rejected"))
    both_begin_alike = isinstance(chosen, list) and isinstance(rejected, list) and chosen[:1] == rejected[:1]
    if not both_begin_alike or len(chosen) < 2 or len(rejected) < 2:
        return fields
    return {column: value for column, value in fields.items() if column != "prompt"}


def _prompt(row: Choice) -> Side:
    """The prompt of a row that was read, which always has one."""
    return "" if row.prompt is UNSET else row.prompt


def _with_prompt(row: Choice) -> Choice:
    """A row whose answers begin with the prompt, taken apart."""
    if row.prompt is not UNSET:
        return row
    if isinstance(row, TextChoice):
        end = _end_of_common_text(row.chosen, row.rejected)
        parts: Choice = TextChoice(row.chosen[end:], row.rejected[end:], row.chosen[:end])
    else:
        end = _end_of_common_turns(row.chosen, row.rejected)
        parts = TurnsChoice(row.chosen[end:], row.rejected[end:], row.chosen[:end], row.tools)
    if not end:
        raise BadRow("no-prompt", "The row has no 'prompt', and its answers do not begin with a common one. Add it.")
    return parts


def _end_of_common_text(chosen: str, rejected: str) -> int:
    """Where the last whole word that both share ends. The answers keep the blank before them, as trainers expect."""
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(chosen, rejected, strict=False))
    common = "".join(one for one, _ in alike)
    return len(_LAST_WORD.sub("", common).rstrip())


_LAST_WORD = re.compile(r"\S++\Z")


def _end_of_common_turns(chosen: list[Turn], rejected: list[Turn]) -> int:
    """How many turns both share, not counting the last, which is the answer even where both are equal."""
    pairs = zip(chosen[:-1], rejected[:-1], strict=False)
    different = (number for number, (one, other) in enumerate(pairs) if one != other)
    return next(different, max(0, min(len(chosen), len(rejected)) - 1))


def _bytes(text: str) -> int:
    return len(text.encode())
