"""How files look. Each layout is read into rows of one format, on the fly: the file stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from ..formats import row_format
from ..formats.base import RowFormat
from ..formats.messages import Messages
from ..formats.preference import Preference
from ..formats.prompt_completion import PromptCompletion
from ..formats.text import Text
from ..formats.unpaired_preference import UnpairedPreference
from .answers import OpenAIPreference, ShareGPTPreference, TaggedChat
from .instructions import ANSWERS, CONTEXTS, QUESTIONS, Alpaca, InstructionPreference, QuestionAnswer
from .sharegpt import CHAT_COLUMNS, ShareGPT

RECOGNISED: tuple[type[RowFormat[Any]], ...] = (
    OpenAIPreference, ShareGPTPreference, TaggedChat, InstructionPreference, UnpairedPreference, Preference,
    Messages, ShareGPT, PromptCompletion, Alpaca, Text, QuestionAnswer,
)  # fmt: skip
"""The most specific first: a row that fits two is taken as the first of them."""

ORDER = [each.layout for each in RECOGNISED]

LABELS: Mapping[str, str] = {
    "messages": "chat",
    "sharegpt": "ShareGPT",
    "alpaca": "Alpaca (instruction, input, output)",
    "text": "text",
    "prompt_completion": "prompt and completion",
    "preference": "preference (prompt, chosen, rejected)",
    "sharegpt_preference": "ShareGPT preference",
    "alpaca_preference": "instruction with a chosen and a rejected answer",
    "openai_preference": "OpenAI preference",
    "kto": "answers judged good or bad",
    "kto_chat": "chats judged good or bad",
    "question_answer": "question and answer",
    "mapped": "mapped by hand",
    "unknown": "unknown",
}
"""What a layout is called in a sentence."""


class Kind(NamedTuple):
    """What one row looks like."""

    layout: str
    format: str
    conversational: bool


STRANGE = Kind("unknown", "unknown", False)
_OWN: Mapping[str, type[Any]] = {
    each.layout: each for each in RECOGNISED if each not in (UnpairedPreference, Preference, PromptCompletion, Text)
}
"""Layouts whose rows are all of one kind: lists of messages."""


_READ: Mapping[str, tuple[str, ...]] = {
    "messages": ("messages", "tools", "functions", "system"),
    "sharegpt": (*CHAT_COLUMNS, "tools", "functions", "system"),
    "alpaca": ("instruction", "input", "output", "system", "history"),
    "text": ("text",),
    "prompt_completion": ("prompt", "completion", "tools"),
    "preference": ("prompt", "chosen", "rejected", "tools"),
    "sharegpt_preference": (*CHAT_COLUMNS, "chosen", "rejected", "tools", "system"),
    "alpaca_preference": (*QUESTIONS, "chosen", "rejected", "system", "history"),
    "openai_preference": ("input", "preferred_output", "non_preferred_output"),
    "kto": ("prompt", "completion", "label", "tools"),
    "kto_chat": (*CHAT_COLUMNS, "kto_tag", "tools"),
    "question_answer": ("system", "history"),
}


def columns_read(layout: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Those columns of a file of which something is trained."""
    read = set(_READ.get(layout, ()))
    if layout == "question_answer":
        first = (next((name for name in names if name in columns), "") for names in (QUESTIONS, ANSWERS, CONTEXTS))
        read |= set(first)
    return tuple(name for name in columns if name in read)


def row_layout(layout: str, format: str, conversational: bool) -> RowFormat[Any]:
    """Reads the rows of a file that looks like this. Without a layout, a file looks as its format says."""
    own = _OWN.get(layout)
    return own() if own else row_format(format, conversational=conversational)


def kind_of(fields: Mapping[str, msgspec.Raw]) -> Kind:
    """What a row looks like. A column that is null counts only when nothing else fits."""
    given = {name: bytes(value) for name, value in fields.items()}
    filled = {name: value for name, value in given.items() if value != b"null"}
    for looked_at in (filled, given):
        for each in RECOGNISED:
            if each.recognises(looked_at):
                return Kind(each.layout, each.name, each.is_conversational(looked_at))
    return STRANGE
