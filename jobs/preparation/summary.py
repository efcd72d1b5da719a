"""The account of all rows, made from their table: counts, lengths, and which rows to look at first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .fate import Fate
from .packing import packed
from .plan import Plan

BARS = 24
"""Of the histogram of lengths; each is as wide as the others."""
SHARES = (50, 90, 95, 99, 100)
"""Percent of the rows that are as long at most."""
FIRST = 5
"""Rows of a kind that are named."""


def summarise(columns: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    """Plain JSON. `columns` are the arrays of a table; rows are numbered from 0 in their order."""
    fate, tokens, kept = columns["fate"], columns["tokens"], columns["kept"]
    there = tokens[(fate & int(Fate.REFUSED)) == 0]
    usable = columns["trained"] > 0
    counts = {flag.name.lower(): int(np.count_nonzero(fate & int(flag))) for flag in Fate if flag.name}
    return {
        "rows": len(fate),
        "usable": int(np.count_nonzero(usable)),
        **counts,
        "tokens": int(tokens.sum(dtype=np.int64)),
        "kept_tokens": int(kept.sum(dtype=np.int64)),
        "trained_tokens": int(columns["trained"].sum(dtype=np.int64)),
        "unknown_tokens": int(columns["unknown"].sum(dtype=np.int64)),
        "longest": int(there.max(initial=0)),
        "lengths": _percentiles(there),
        "histogram": _histogram(there),
        "first": {flag.name.lower(): _first(fate & int(flag)) for flag in Fate if flag.name},
        "ends": _ends(tokens, fate),
        "packing": _packing(kept, plan),
    }


def _percentiles(tokens: Any) -> dict[str, int]:
    """The length that so many percent of the rows do not exceed. It is the length of a row, not one in between."""
    if not len(tokens):
        return {}
    found = np.percentile(tokens, SHARES, method="inverted_cdf")
    return {str(share): int(length) for share, length in zip(SHARES, found, strict=True)}


def _histogram(tokens: Any) -> list[list[int]]:
    """[longest row of the bar, rows] for bars of the same width, from the shortest to the longest."""
    if not len(tokens):
        return []
    longest = int(tokens.max())
    width = max(1, -(-longest // BARS))
    counts = np.bincount(np.maximum(tokens - 1, 0) // width, minlength=-(-longest // width))
    return [[min((bar + 1) * width, longest), int(rows)] for bar, rows in enumerate(counts)]


def _first(flagged: Any) -> list[int]:
    return [int(row) for row in np.flatnonzero(flagged)[:FIRST]]


def _ends(tokens: Any, fate: Any) -> dict[str, int]:
    """The longest and the shortest row that the template takes."""
    there = np.flatnonzero((fate & int(Fate.REFUSED)) == 0)
    if not len(there):
        return {}
    return {"longest": int(there[tokens[there].argmax()]), "shortest": int(there[tokens[there].argmin()])}


def _packing(kept: Any, plan: Plan) -> dict[str, Any]:
    """How many sequences packing would make of the rows, and how full they would be. Pairs are never packed."""
    if plan.dpo:
        return {}
    sequences = packed(kept[kept > 0], plan.max_length)
    filled = int(kept.sum(dtype=np.int64))
    return {"sequences": sequences, "share": round(filled / (sequences * plan.max_length), 4) if sequences else 0.0}
