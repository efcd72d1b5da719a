"""Which GPU of a machine a job belongs on, when they differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .estimate import verdict

Card = Mapping[str, Any]
"""As in the fact `gpu_list`: index, name, memory and free bytes."""


def suitable(needed: int | None, cards: Sequence[Card], count: int = 1) -> list[Card]:
    """The cards a job for `count` of them should run on: where it fits, else where it is tight, else the largest."""
    judged = [(verdict(needed, card["memory"]), card) for card in cards]
    chosen: list[Card] = []
    for wanted in ("fits", "tight", "unknown"):
        chosen += [card for said, card in judged if said == wanted]
        if len(chosen) >= count:
            return chosen
    largest = sorted((card["memory"] for card in cards), reverse=True)[:count]
    return [card for card in cards if card["memory"] >= min(largest)]


def choose(needed: int | None, cards: Sequence[Card], free: Collection[int]) -> int | None:
    """The place for a job among the `free` ones; None when it should wait for a card that is busy."""
    places = choose_several(needed, cards, free, 1)
    return places[0] if places else None


def choose_several(needed: int | None, cards: Sequence[Card], free: Collection[int], count: int) -> list[int] | None:
    """Places for a job that takes `needed` bytes on each of so many cards; None when it should wait for busy ones.

    The smallest that suit, so that large ones stay free for large jobs; those that other programs have filled only
    when there are no others.
    """
    open_ones = [card for card in suitable(needed, cards, count) if card["index"] in free]
    if len(open_ones) < count:
        return None
    best = sorted(open_ones, key=lambda card: (card["free"] < (needed or 0), card["memory"], card["index"]))
    return sorted(int(card["index"]) for card in best[:count])
