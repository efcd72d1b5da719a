"""Which GPU of a machine a job belongs on, when they differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .estimate import verdict

Card = Mapping[str, Any]
"""As in the fact `gpu_list`: index, name, memory and free bytes."""


def suitable(needed: int | None, cards: Sequence[Card]) -> list[Card]:
    """The cards that a job should run on: where it fits, else where it is tight, else the largest."""
    judged = [(verdict(needed, card["memory"]), card) for card in cards]
    for wanted in ("fits", "tight", "unknown"):
        if chosen := [card for said, card in judged if said == wanted]:
            return chosen
    largest = max((card["memory"] for card in cards), default=0)
    return [card for card in cards if card["memory"] == largest]


def choose(needed: int | None, cards: Sequence[Card], free: Collection[int]) -> int | None:
    """The place for a job among the `free` ones; None when it should wait for a card that is busy.

    The smallest that suits, so that large ones stay free for large jobs; one that other programs have filled only
    when there is no other.
    """
    open_ones = [card for card in suitable(needed, cards) if card["index"] in free]
    if not open_ones:
        return None
    return int(min(open_ones, key=lambda card: (card["free"] < (needed or 0), card["memory"], card["index"]))["index"])
