"""Preferences and judged answers as other programs write them: the conversation apart from the answers to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..formats.preference import Preference
from ..formats.spellings import Renamed
from ..formats.unpaired_preference import Judged, UnpairedPreference, label_of
from ..problems import BadRow
from .sharegpt import chat_column

Fields = Mapping[str, bytes]


class ShareGPTPreference(Preference):
    """`conversations`, and two turns that may come next: `chosen` and `rejected`."""

    layout = "sharegpt_preference"

    def __init__(self) -> None:
        super().__init__(conversational=True)

    @classmethod
    def recognises(cls, fields: Fields) -> bool:
        column = chat_column(fields)
        single = (b"{", b'"', b"[") if column == "conversations" else (b"{", b'"')
        answers = (fields.get("chosen", b"")[:1], fields.get("rejected", b"")[:1])
        return column is not None and "prompt" not in fields and all(each in single for each in answers)

    @classmethod
    def is_conversational(cls, fields: Fields) -> bool:
        return True

    def read(self, raw: bytes) -> Any:
        return self.respelt(lambda renamed: self.checked(self.spelt(_with_prompt(_object(raw)), renamed)))


class OpenAIPreference(Preference):
    """`input` with `messages` and perhaps `tools`, `preferred_output` and `non_preferred_output`."""

    layout = "openai_preference"

    def __init__(self) -> None:
        super().__init__(conversational=True)

    @classmethod
    def recognises(cls, fields: Fields) -> bool:
        return {"input", "preferred_output", "non_preferred_output"} <= fields.keys()

    @classmethod
    def is_conversational(cls, fields: Fields) -> bool:
        return True

    def read(self, raw: bytes) -> Any:
        row = _object(raw)
        given = row.get("input")
        asked = given if isinstance(given, dict) else {}
        fields = {"prompt": asked.get("messages"), "tools": asked.get("tools")}
        fields |= {"chosen": row.get("preferred_output"), "rejected": row.get("non_preferred_output")}
        return self.respelt(lambda renamed: self.checked(self._in_words_of_file(fields, renamed)))

    def _in_words_of_file(self, fields: Any, renamed: Renamed) -> Any:
        try:
            return self.spelt(fields, renamed)
        except msgspec.ValidationError as error:
            text = str(error).replace("$.prompt", "$.input.messages").replace("$.chosen", "$.preferred_output")
            raise msgspec.ValidationError(text.replace("$.rejected", "$.non_preferred_output")) from None


class TaggedChat(UnpairedPreference):
    """A chat whose last answer is judged by `kto_tag`."""

    layout = "kto_chat"

    def __init__(self) -> None:
        super().__init__(conversational=True)

    @classmethod
    def recognises(cls, fields: Fields) -> bool:
        return "kto_tag" in fields and chat_column(fields) is not None

    @classmethod
    def is_conversational(cls, fields: Fields) -> bool:
        return True

    def read(self, raw: bytes) -> Judged:
        row = _object(raw)
        turns = row.get(chat_column(dict.fromkeys(row, b"[")) or "")
        if not isinstance(turns, list) or len(turns) < 2:
            raise BadRow("no-prompt", "The chat has no question with an answer behind it. Add them or remove the row.")
        parts = {"prompt": turns[:-1], "completion": turns[-1:]}
        pair = self.pairs.respelt(lambda renamed: self.pairs.checked(self.pairs.spelt({**row, **parts}, renamed)))
        return Judged(pair, label_of(row.get("kto_tag")))


_object = msgspec.json.Decoder(dict[str, Any]).decode


def _with_prompt(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its conversation as the prompt, and a text as an answer made a turn."""
    column = chat_column(dict.fromkeys(row, b"[")) or "conversations"
    answers: dict[str, Any] = {name: row[name] for name in ("chosen", "rejected") if name in row}
    for name, answer in answers.items():
        if isinstance(answer, str):
            answers[name] = [{"role": "assistant", "content": answer}]
    system = row.get("system")
    before = [{"role": "system", "content": system}] if isinstance(system, str) and system.strip() else []
    turns = row.get(column)
    return {"prompt": [*before, *turns] if isinstance(turns, list) else turns, "tools": row.get("tools"), **answers}
