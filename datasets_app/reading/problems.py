"""Why a row cannot be trained on: a code for programs, a short name for counts, a sentence for the person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

LISTED = 100
"""So many bad rows are listed one by one; all are counted."""

REASONS: Mapping[str, str] = {
    "broken-json": "broken JSON",
    "cut-off": "the file ends too early",
    "not-utf-8": "not UTF-8",
    "not-a-number": "NaN or Infinity",
    "lone-surrogate": "half a character",
    "too-long": "row too long",
    "too-deep": "nested too deeply",
    "ragged": "more or fewer cells than columns",
    "open-quote": "a quote that is not closed",
    "not-an-object": "not an object",
    "missing-field": "missing field",
    "null-content": "null content",
    "wrong-type": "wrong type",
    "list-for-text": "a list where text is expected",
    "mixed-kinds": "text and messages mixed",
    "unknown-role": "unknown role",
    "no-assistant-turn": "no assistant turn",
    "empty-conversation": "empty conversation",
    "empty-text": "empty text",
    "empty-answer": "empty answer",
    "unanswered": "answer ends with another's turn",
    "no-prompt": "no prompt",
    "tool-calls": "tool calls that cannot be read",
    "broken-tools": "tools that cannot be read",
    "not-text": "images or other parts that are no text",
    "wrong-weight": "weight other than 0 or 1",
    "no-weight": "no answer with a weight",
    "other-layout": "another layout than the rest of the file",
    "no-label": "no label",
    "prompt-repeated": "prompt repeated in the answer",
}


class BadRow(ValueError):
    """A row that would crash the training or silently train something else."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Unreadable(ValueError):
    """A whole file that cannot be read: a code for programs, and a sentence that says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Damaged(ValueError):
    """From here on the bytes of a file cannot be had. The rows before are whole; one bad row stands for the rest."""

    @property
    def row(self) -> Unread:
        return Unread.because("cut-off", str(self))


class Unread(bytes):
    """Stands in for a row whose bytes were not kept; it decodes to nothing, and `problem` says why."""

    problem: BadRow

    @classmethod
    def because(cls, code: str, message: str) -> Unread:
        stand_in = cls()
        stand_in.problem = BadRow(code, message)
        return stand_in


ROW_ERRORS = (BadRow, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Everything that decoding and checking one row can raise."""


@dataclass(frozen=True)
class Problem:
    """One bad row: where it begins in the file, counted from 1, and what is wrong."""

    line: int
    row: int
    code: str
    message: str

    def as_dict(self) -> dict[str, Any]:
        return {"line": self.line, "row": self.row, "code": self.code, "message": self.message}


@dataclass
class Problems:
    """All bad rows counted by code, the first hundred kept."""

    listed: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, line: int, row: int, error: BadRow) -> None:
        self.counts[error.code] += 1
        if len(self.listed) < LISTED:
            self.listed.append(Problem(line, row, error.code, storable(str(error))))

    @property
    def total(self) -> int:
        return self.counts.total()


def storable(text: str) -> str:
    """Without NUL, which PostgreSQL cannot keep, and lone surrogates, which UTF-8 cannot."""
    return text.replace("\0", "␀").encode("utf-8", "replace").decode()
