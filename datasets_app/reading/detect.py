"""Which layout a file has: what most of its first rows look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

import msgspec

from .layouts import ORDER, STRANGE, Kind, kind_of
from .problems import ROW_ERRORS, storable
from .rows import Row

SAMPLE = 1000
COLUMNS_NAMED = 100
LONGEST_NAME = 200
Fields = Mapping[str, msgspec.Raw]
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True)
class Shape:
    """What a file holds: its format, whether its rows are lists of messages, its columns, and how they look."""

    format: str
    conversational: bool
    columns: tuple[str, ...]
    layout: str = ""
    """How the rows look; empty where that is their format's own way."""

    @property
    def kind(self) -> Kind:
        return Kind(self.layout or self.format, self.format, self.conversational)


def detect(rows: Iterable[Row]) -> Shape:
    """Look at the first thousand rows that are objects at all."""
    votes: Counter[Kind] = Counter()
    columns: dict[str, None] = {}
    for fields in islice(_objects(rows), SAMPLE):
        votes[kind_of(fields)] += 1
        if len(columns) < COLUMNS_NAMED:
            columns.update(dict.fromkeys(storable(name[:LONGEST_NAME]) for name in islice(fields, COLUMNS_NAMED)))
    kind = _elect(votes)
    return Shape(kind.format, kind.conversational, tuple(islice(columns, COLUMNS_NAMED)), kind.layout)


def _objects(rows: Iterable[Row]) -> Iterable[Fields]:
    for _, raw in rows:
        try:
            yield _decode(raw)
        except ROW_ERRORS:
            continue


def _elect(votes: Counter[Kind]) -> Kind:
    """The kind of most rows. Strange rows only win when they are nine in ten, since naming each of them helps more.

    Rows of one format count together: whichever of its layouts most of them have, the others are read as well.
    """
    strange = votes.pop(STRANGE, 0)
    if strange >= 9 * votes.total():
        return STRANGE
    together: Counter[tuple[str, bool]] = Counter()
    for kind, count in votes.items():
        together[kind.format, kind.conversational] += count
    most = max(together.values())
    elected = [kind for kind in votes if together[kind.format, kind.conversational] == most]
    return max(elected, key=lambda kind: (votes[kind], -ORDER.index(kind.layout)))
