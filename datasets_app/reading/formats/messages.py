"""Chat: `messages`, a list of turns."""

from __future__ import annotations

from typing import Any

import msgspec

from ..shapes import order_of
from ..tally import Tally
from .base import RowFormat
from .turns import Turn, check_turns, plain_turns


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
        contents = [turn.content for turn in row.messages]
        roles = tuple([turn.role for turn in row.messages])
        for role in roles:
            tally.roles[role] += 1
        tally.add_conversations([order_of(roles, contents)])
        tally.add(sum(map(len, contents)), len(roles), size, lambda: "".join(contents))

    def plain(self, row: Chat) -> dict[str, Any]:
        return {"messages": plain_turns(row.messages)}
