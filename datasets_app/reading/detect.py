"""Which format a file has: what most of its first rows look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

import msgspec

from .formats import RECOGNISED
from .problems import ROW_ERRORS, storable
from .rows import Row

SAMPLE = 1000
COLUMNS_NAMED = 100
LONGEST_NAME = 200
Fields = Mapping[str, msgspec.Raw]
Kind = tuple[str, bool]
"""The name of a format, and whether its rows are lists of messages."""
STRANGE: Kind = ("unknown", False)
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True)
class Shape:
    """What a file holds: its format, whether its rows are lists of messages, and its columns."""

    format: str
    conversational: bool
    columns: tuple[str, ...]


def detect(rows: Iterable[Row]) -> Shape:
    """Look at the first thousand rows that are objects at all."""
    votes: Counter[Kind] = Counter()
    columns: dict[str, None] = {}
    for fields in islice(_objects(rows), SAMPLE):
        votes[_kind(fields)] += 1
        if len(columns) < COLUMNS_NAMED:
            columns.update(dict.fromkeys(storable(name[:LONGEST_NAME]) for name in islice(fields, COLUMNS_NAMED)))
    format, conversational = _elect(votes)
    return Shape(format, conversational, tuple(islice(columns, COLUMNS_NAMED)))


def _objects(rows: Iterable[Row]) -> Iterable[Fields]:
    for _, raw in rows:
        try:
            yield _decode(raw)
        except ROW_ERRORS:
            continue


def _kind(fields: Fields) -> Kind:
    """The format of one row. A column that is null counts only when nothing else fits."""
    given = {name: bytes(value) for name, value in fields.items()}
    filled = {name: value for name, value in given.items() if value != b"null"}
    for looked_at in (filled, given):
        for each in RECOGNISED:
            if each.recognises(looked_at):
                return each.name, _conversational(each.name, fields[each.columns[-1]])
    return STRANGE


def _conversational(format: str, answer: msgspec.Raw) -> bool:
    return format == "messages" or (format != "text" and bytes(answer)[:1] == b"[")


def _elect(votes: Counter[Kind]) -> Kind:
    """The kind of most rows. Strange rows only win when they are nine in ten, since naming each of them helps more."""
    strange = votes.pop(STRANGE, 0)
    if strange >= 9 * votes.total():
        return STRANGE
    return max(votes, key=lambda kind: (votes[kind], -_ORDER.index(kind[0])))


_ORDER = [each.name for each in RECOGNISED]
