"""Rows as people read them: cut to a length a page can bear, arranged in panes, long texts folded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from .reading import storable

MOST_CHARACTERS = 10_000
MOST_ITEMS = 100
MOST_LEVELS = 8
FOLDED_AFTER = 700


def shown(value: Any, levels: int = MOST_LEVELS) -> Any:
    """A row that fits on a page and into the database, whatever was uploaded."""
    if isinstance(value, str):
        return storable(value if len(value) <= MOST_CHARACTERS else value[:MOST_CHARACTERS] + "…")
    if isinstance(value, Mapping | list) and not levels:
        return "…"
    if isinstance(value, Mapping):
        return {storable(key)[:200]: shown(each, levels - 1) for key, each in islice(value.items(), MOST_ITEMS)}
    if isinstance(value, list):
        return [shown(each, levels - 1) for each in value[:MOST_ITEMS]]
    return value


@dataclass(frozen=True)
class Passage:
    """A text, of which a page shows the beginning and folds the rest."""

    beginning: str
    rest: str = ""
    role: str = ""


@dataclass(frozen=True)
class Pane:
    """One column of a row: a text, or a conversation."""

    column: str
    passages: list[Passage] = field(default_factory=list)


def panes(row: Mapping[str, Any]) -> list[Pane]:
    return [Pane(column, _passages(value)) for column, value in row.items()]


def _passages(value: Any) -> list[Passage]:
    if isinstance(value, list) and all(isinstance(each, dict) and "role" in each for each in value):
        return [_passage(_said(turn), str(turn["role"])) for turn in value]
    return [_passage(value)]


def _said(turn: Mapping[str, Any]) -> Any:
    """What a turn says, above it its reasoning and below it the tools it calls."""
    calls, reasoning = turn.get("tool_calls") or [], turn.get("reasoning_content")
    if not isinstance(calls, list) or not (calls or reasoning):
        return turn.get("content")
    called = (json.dumps(call.get("function", call), ensure_ascii=False) for call in calls if isinstance(call, dict))
    return "\n".join(part for part in (reasoning, turn.get("content"), *called) if isinstance(part, str) and part)


def _passage(value: Any, role: str = "") -> Passage:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return Passage(text[:FOLDED_AFTER], text[FOLDED_AFTER:], role)
