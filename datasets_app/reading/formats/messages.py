"""Chat: `messages`, a list of turns."""

from __future__ import annotations

from typing import Any

import msgspec

from ..tally import Tally
from .base import RowFormat
from .turns import Turn, alternate, characters, check_turns, joined, plain_turns


class Chat(msgspec.Struct, gc=False):
    messages: list[Turn]


class Messages(RowFormat[Chat]):
    name = "messages"
    columns = ("messages",)
    _decode = msgspec.json.Decoder(Chat).decode

    def read(self, raw: bytes) -> Chat:
        row = self._decode(raw)
        check_turns("messages", row.messages, answered=True)
        return row

    def measure(self, row: Chat, size: int, tally: Tally) -> None:
        turns = row.messages
        for turn in turns:
            tally.roles[turn.role] += 1
        tally.unalternating += not alternate(turns)
        tally.add(characters(turns), len(turns), size, lambda: joined(turns))

    def plain(self, row: Chat) -> dict[str, Any]:
        return {"messages": plain_turns(row.messages)}
