"""ShareGPT: `conversations` of turns with `from` and `value`, and chats under other names than `messages`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..formats.messages import Chat, Messages
from ..formats.spellings import CALLS, ROLE_OF, Renamed
from ..formats.turns import Turn

CHAT_COLUMNS = ("conversations", "messages", "conversation", "dialogue", "dialog", "chat", "turns")
OWN_COLUMNS = tuple(name for name in CHAT_COLUMNS if name != "messages")


class Said(msgspec.Struct, gc=False):
    sender: str = msgspec.field(name="from")
    value: str
    weight: float | None = None
    reasoning_content: Any = None
    thinking: Any = None
    reasoning: Any = None


class Shared(msgspec.Struct, gc=False):
    conversations: list[Said]
    system: Any = None
    tools: Any = None


class ShareGPT(Messages):
    layout = "sharegpt"
    _shared = msgspec.json.Decoder(Shared).decode

    @classmethod
    def recognises(cls, fields: Mapping[str, bytes]) -> bool:
        return chat_column(fields) is not None

    def read(self, raw: bytes) -> Chat:
        try:
            said = self._shared(raw)
        except msgspec.ValidationError:
            said = None
        if said is None or any(turn.sender in CALLS for turn in said.conversations):
            return self.respelt(lambda renamed: self._spelt(raw, renamed))
        return self.respelt(lambda renamed: _chat(said, renamed))

    def _spelt(self, raw: bytes, renamed: Renamed) -> Chat:
        fields = msgspec.json.decode(raw)
        column = next((name for name in OWN_COLUMNS if isinstance(fields, dict) and name in fields), OWN_COLUMNS[0])
        return self.checked(self.spelt(fields, renamed, column), column)


def chat_column(fields: Mapping[str, bytes]) -> str | None:
    """The column that holds a list of turns, or that list as JSON."""
    for name in CHAT_COLUMNS:
        if fields.get(name, b"")[:1] == b"[" or fields.get(name, b"")[:2] == b'"[':
            return name
    return None


def _chat(said: Shared, renamed: Renamed) -> Chat:
    turns = []
    for number, turn in enumerate(said.conversations):
        sender = turn.sender
        role = ROLE_OF.get(sender) or ROLE_OF.get(sender.strip().lower())
        if role is None:
            quoted = f"'{sender}'"
            raise msgspec.ValidationError(f"Invalid enum value {quoted} - at `$.conversations[{number}].from`")
        if role != sender:
            renamed[sender, role] += 1
        reasoning = turn.reasoning_content or turn.thinking or turn.reasoning
        turns.append(Turn(role, turn.value, weight=turn.weight, reasoning_content=reasoning))
    return Messages.checked(Chat(turns, said.tools, None, said.system), "conversations")
