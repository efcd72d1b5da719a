"""What conversations hold beside texts: tools, calls of them, reasoning, answers that are not learnt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..shapes import order_of
from ..tally import Tally
from .turns import Turn

ROOM = 4096
"""Bytes for what a template says about tools in its own words; the longest known takes 1,500."""


def count_extras(turns: Sequence[Turn], tools: Any, tally: Tally) -> int:
    """Count one row. Answers how many bytes its tools, calls and reasoning may take as a template writes them."""
    special = [turn for turn in turns if turn.tool_calls or turn.weight is not None or turn.reasoning_content]
    if not special and not tools:
        return 0
    calls = [turn.tool_calls for turn in special if turn.tool_calls]
    tally.with_tools += bool(tools)
    tally.with_calls += bool(calls)
    thoughts = [turn.reasoning_content for turn in special if turn.reasoning_content]
    tally.with_reasoning += bool(thoughts)
    tally.with_weights += any(turn.weight == 0 for turn in special)
    return len(json.dumps([tools, calls, thoughts], indent=4).encode()) + ROOM if tools or calls or thoughts else 0


def order(turns: Sequence[Turn]) -> str:
    """Who speaks when, as `shapes.order_of` writes it."""
    roles, contents = tuple([turn.role for turn in turns]), [turn.content for turn in turns]
    return order_of(roles, contents, [bool(turn.tool_calls) for turn in turns])
