"""The dataset formats, the most specific first: a row that fits two is taken as the first of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .base import RowFormat
from .messages import Messages
from .preference import Preference
from .prompt_completion import PromptCompletion
from .text import Text
from .unknown import Unknown

RECOGNISED: tuple[type[RowFormat[Any]], ...] = (Preference, Messages, PromptCompletion, Text)


def row_format(name: str, *, conversational: bool) -> RowFormat[Any]:
    """The format of a file, whose rows are lists of messages (`conversational`) or plain texts."""
    kinds: dict[str, Callable[[], RowFormat[Any]]] = {
        "preference": lambda: Preference(conversational=conversational),
        "messages": Messages,
        "prompt_completion": lambda: PromptCompletion(conversational=conversational),
        "text": Text,
    }
    return kinds.get(name, Unknown)()
