"""Rows with NaN or Infinity, which Python writes and JSON does not know, in columns that are not trained."""

from __future__ import annotations

import json
from typing import Any

import msgspec

MARKS = (b"NaN", b"Infinity")
TRAINED = frozenset({"messages", "text", "prompt", "completion", "chosen", "rejected"})
_is_json = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def without_strange_numbers(raw: bytes) -> bytes:
    """The row with null for each column that holds such a number; as it is where that is a trained one."""
    if not any(mark in raw for mark in MARKS) or _reads(raw):
        return raw
    try:
        row = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    if not isinstance(row, dict):
        return raw
    kept = {name: value if name in TRAINED or _is_known(value) else None for name, value in row.items()}
    return json.dumps(kept, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _reads(raw: bytes) -> bool:
    try:
        _is_json(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _is_known(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return False
    return True
