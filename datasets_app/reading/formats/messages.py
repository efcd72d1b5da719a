"""Chat: `messages`, a list of turns, and `tools` that may be called in them."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from ..shapes import order_of
from ..tally import Tally
from . import tools
from .base import RowFormat
from .extras import count_extras, order
from .spellings import Renamed, spelt
from .turns import Turn, check_turns, joined, plain_turns

MOST_ORDINARY = 64
"""Turns of conversations that are counted by the tuple of their roles, so that these take little memory."""


FRAME = 24
"""What a turn takes in a file beside its text at least: {"from":"gpt","value":""}, and a comma."""


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
        if isinstance(fields, dict) and column not in fields:
            raise msgspec.ValidationError(f"Object missing required field `{column}`")
        if isinstance(fields, dict):
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
        """Written for speed: most of the time that reading takes beyond decoding is spent here."""
        turns = row.messages
        roles = tuple([turn.role for turn in turns])
        characters = room = 0
        ordinary = not row.tools and len(roles) <= MOST_ORDINARY
        for turn in turns:
            content = turn.content
            characters += len(content)
            if not content or "<" in content or turn.tool_calls or turn.weight is not None or turn.reasoning_content:
                ordinary = False
        if ordinary:
            tally.add_ordinary(roles)
        else:
            room = self._count(row, tally)
        size -= FRAME * len(roles)
        tally.add(characters, len(roles), size + room, partial(_text, turns, room))

    @staticmethod
    def _count(row: Chat, tally: Tally) -> int:
        """Note the roles and their order one by one. Answers how many bytes tools and calls may take."""
        turns = row.messages
        roles = [turn.role for turn in turns]
        tally.roles.update(roles)
        room = count_extras(turns, row.tools, tally)
        contents = [turn.content for turn in turns]
        tally.add_conversations([order(turns) if room else order_of(tuple(roles), contents)])
        return room

    def plain(self, row: Chat) -> dict[str, Any]:
        turns = {"messages": plain_turns(row.messages)}
        return {**turns, "tools": row.tools} if row.tools else turns


def _text(turns: list[Turn], room: int) -> str:
    return joined(turns) + " " * room


def with_system(turns: list[Turn], system: Any) -> None:
    """Put a system prompt that has a column of its own where the conversation begins, unless it has one."""
    if isinstance(system, str) and system.strip() and not (turns and turns[0].role == "system"):
        turns.insert(0, Turn("system", system))
