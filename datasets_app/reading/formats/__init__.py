"""The dataset formats: what rows hold once they are read, whatever the file looks like (`layouts`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .base import RowFormat
from .messages import Messages
from .preference import Preference
from .prompt_completion import PromptCompletion
from .text import Text
from .unknown import Unknown
from .unpaired_preference import UnpairedPreference


def row_format(name: str, *, conversational: bool) -> RowFormat[Any]:
    """The format of a file, whose rows are lists of messages (`conversational`) or plain texts."""
    kinds: dict[str, Callable[[], RowFormat[Any]]] = {
        "preference": lambda: Preference(conversational=conversational),
        "messages": Messages,
        "prompt_completion": lambda: PromptCompletion(conversational=conversational),
        "text": Text,
        "unpaired_preference": lambda: UnpairedPreference(conversational=conversational),
    }
    return kinds.get(name, Unknown)()
