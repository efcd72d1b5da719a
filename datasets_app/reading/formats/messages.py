"""Chat: `messages`, a list of turns, and `tools` that may be called in them."""

from __future__ import annotations

from typing import Any

import msgspec

from ..shapes import order_of
from ..tally import Tally
from . import tools
from .base import RowFormat
from .extras import count_extras, order
from .spellings import Renamed, spelt
from .turns import Turn, check_turns, plain_turns


class Chat(msgspec.Struct, gc=False):
    messages: list[Turn]
    tools: Any = None
    functions: Any = None
    system: Any = None


class Messages(RowFormat[Chat]):
    name = layout = "messages"
    columns = ("messages",)
    _decode = msgspec.json.Decoder(Chat).decode

    def read(self, raw: bytes) -> Chat:
        try:
            row = self._decode(raw)
        except msgspec.ValidationError:
            return self.respelt(lambda renamed: self.checked(self.spelt(msgspec.json.decode(raw), renamed)))
        return self.checked(row)

    @staticmethod
    def spelt(fields: Any, renamed: Renamed, column: str = "messages") -> Chat:
        """A row whose turns are written in another way. Errors name the columns of the file."""
        if isinstance(fields, dict) and column in fields:
            turns = tools.parsed(fields[column])
            turns = spelt(column, turns, renamed) if isinstance(turns, list) else fields[column]
            fields = {**fields, "messages": turns}
        try:
            return msgspec.convert(fields, Chat)
        except msgspec.ValidationError as error:
            raise msgspec.ValidationError(str(error).replace("$.messages", f"$.{column}")) from None

    @staticmethod
    def checked(row: Chat, column: str = "messages") -> Chat:
        if row.tools is not None or row.functions is not None:
            row.tools = tools.tools_of(row.tools) or tools.tools_of(row.functions)
        if row.system is not None:
            with_system(row.messages, row.system)
        check_turns(column, row.messages, answered=True)
        return row

    def measure(self, row: Chat, size: int, tally: Tally) -> None:
        turns = row.messages
        contents = [turn.content for turn in turns]
        roles = tuple([turn.role for turn in turns])
        counted = tally.roles
        for role in roles:
            counted[role] += 1
        room = 0
        if row.tools or [turn for turn in turns if turn.tool_calls or turn.weight is not None]:
            room = count_extras(turns, row.tools, tally)
        tally.add_conversations([order(turns) if room else order_of(roles, contents)])
        tally.add(sum(map(len, contents)), len(roles), size + room, lambda: "".join(contents) + " " * room)

    def plain(self, row: Chat) -> dict[str, Any]:
        turns = {"messages": plain_turns(row.messages)}
        return {**turns, "tools": row.tools} if row.tools else turns


def with_system(turns: list[Turn], system: Any) -> None:
    """Put a system prompt that has a column of its own where the conversation begins, unless it has one."""
    if isinstance(system, str) and system.strip() and not (turns and turns[0].role == "system"):
        turns.insert(0, Turn("system", system))
