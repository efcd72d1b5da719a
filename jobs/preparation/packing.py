"""How tightly rows would be packed: TRL's packing (1.16, `_pack_bfd`), of which only the count is wanted."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Any

import numpy as np

BATCH = 1000
"""Rows that TRL packs at a time: the batch of `Dataset.map`."""


def packed(lengths: Any, max_length: int) -> int:
    """How many sequences rows of such lengths (an array) come to, packed in their order."""
    batches = (np.minimum(lengths[at : at + BATCH], max_length) for at in range(0, len(lengths), BATCH))
    return sum(_sequences(np.sort(batch[batch > 0])[::-1].tolist(), max_length) for batch in batches)


def _sequences(longest_first: Iterable[int], max_length: int) -> int:
    """Each row goes where it leaves the least room, or begins a sequence of its own."""
    rooms: list[int] = []
    sequences = 0
    for length in longest_first:
        place = bisect_left(rooms, length)
        is_new = place == len(rooms)
        sequences += is_new
        room = (max_length if is_new else rooms.pop(place)) - length
        if room:
            insort(rooms, room)
    return sequences
