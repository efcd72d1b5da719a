"""What becomes of one row, as a table keeps it. Light enough for a web process."""

from __future__ import annotations

from enum import IntFlag
from pathlib import Path
from typing import Any

import numpy as np


class Fate(IntFlag):
    """What is to be said of a row."""

    CUT = 1
    """Tokens lie beyond those that are kept."""
    END_CUT = 2
    """What is cut off was to be learnt, so the end of an answer is lost."""
    DROPPED = 4
    """Nothing to learn is left of it after the cut."""
    MASKED = 8
    """It holds nothing to learn even before the cut."""
    REFUSED = 16
    """The chat template does not take it."""
    EQUAL = 32
    """Both answers of the pair are the same."""
    EQUAL_CUT = 64
    """They are the same as far as they are kept."""
    UNKNOWN = 128
    """It has characters that the tokenizer lacks."""

    @property
    def unusable(self) -> bool:
        return bool(self & _UNUSABLE)


_UNUSABLE = Fate.DROPPED | Fate.MASKED | Fate.REFUSED
COLUMNS = {"tokens": "i", "kept": "i", "trained": "i", "unknown": "i", "fate": "H"}
"""Of each row: its tokens before the cut, those that are kept, those that are learnt, those that the tokenizer has no
other name for, and its fate. A pair counts its prompt with the longer answer, and what is learnt of both answers."""


def load(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as kept:
        return {name: kept[name] for name in COLUMNS}


def next_row(fate: Any, flags: Fate, after: int) -> int | None:
    """The next row behind `after` that has one of the flags, and from the beginning again; None where none has."""
    rows = np.flatnonzero(fate & int(flags))
    if not len(rows):
        return None
    return int(rows[np.searchsorted(rows, after, side="right") % len(rows)])
