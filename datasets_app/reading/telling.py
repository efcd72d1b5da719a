"""Chooses the few rows of a file on which a training is most likely to stumble."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .formats.base import RowFormat
from .layouts import Kind, row_layout
from .reader import usable
from .sources import rows_of
from .tally import Tally

MOST = 12
RARE_ROLES = 2
AT_RANDOM = 4
MOST_CHARACTERS = 100_000
"""A row that is longer is cut to this, about 25,000 tokens, which is more than a rehearsal can train on."""
MOST_TURNS = 1000
EMPTY, SPECIAL = "an empty text", "what looks like a special token"
MARKS = (b"<|", b"|>", b"</s>", b"[INST]")

SIDES = ("messages", "text", "prompt", "completion", "chosen", "rejected")

Row = dict[str, Any]


@dataclass
class Telling:
    """A chosen row: the line on which it begins, why it was chosen, and its trained columns.

    In a file with several rows on one line, `line` is the number of the row.
    """

    line: int
    why: list[str]
    row: Row

    def as_dict(self) -> dict[str, Any]:
        return {"line": self.line, "why": ", ".join(self.why), "row": self.row}


def choose_telling_rows(path: Path, format: str, conversational: bool, seed: str, layout: str = "") -> list[Telling]:
    """At most `MOST` usable rows in one pass, in the order of the file. The same file and seed give the same rows."""
    kind = Kind(layout or format, format, conversational)
    form = row_layout(*kind)
    choice = _Choice(form, seed)
    for number, (line, raw, row) in enumerate(usable(rows_of(path, as_written=True), kind, form), 1):
        choice.look_at((number, line, row), raw)
    return choice.made()


Seen = tuple[int, int, Any]
"""Number, line and content of a row, which stays as its format reads it until the choice is made."""


class _Choice:
    """Holds a row for each reason there is to choose one, never more."""

    def __init__(self, form: RowFormat[Any], seed: str) -> None:
        self._measure, self._plain = form.measure, form.plain
        self._random = random.Random(seed)  # noqa: S311 - no secret: the same file must give the same rows
        self._tally = Tally(token_ceiling=sys.maxsize)  # so that no row's bytes are counted
        self._most: dict[str, tuple[int, Seen]] = {}
        self._doubted: dict[str, Seen] = {}
        self._first_with_role: dict[str, Seen] = {}
        self._drawn: list[Seen] = []

    def look_at(self, seen: Seen, raw: bytes) -> None:
        tally, (_, _, row) = self._tally, seen
        characters, turns, unalternating, equal = tally.characters, tally.turns, tally.unalternating, tally.equal_pairs
        self._measure(row, 0, tally)
        tally.settle()
        self._keep_extremes(tally.characters - characters, tally.turns - turns, seen)
        if len(tally.roles) > len(self._first_with_role):
            for role in tally.roles:
                self._first_with_role.setdefault(role, seen)
        if tally.unalternating > unalternating:
            self._doubted.setdefault("turns out of order", seen)
        if tally.equal_pairs > equal:
            self._doubted.setdefault("both answers equal", seen)
        if EMPTY not in self._doubted and any(not text or text.isspace() for text in _texts(row)):
            self._doubted[EMPTY] = seen
        if SPECIAL not in self._doubted and any(mark in raw for mark in MARKS):
            self._doubted[SPECIAL] = seen
        self._draw(seen)

    def _keep_extremes(self, characters: int, turns: int, seen: Seen) -> None:
        most = self._most
        if not most:
            most |= {"longest": (characters, seen), "shortest": (characters, seen), "most turns": (turns, seen)}
        if characters > most["longest"][0]:
            most["longest"] = characters, seen
        if characters < most["shortest"][0]:
            most["shortest"] = characters, seen
        if turns > most["most turns"][0]:
            most["most turns"] = turns, seen

    def _draw(self, seen: Seen) -> None:
        """Each row has the same chance to be among those drawn when the file ends."""
        if len(self._drawn) < AT_RANDOM:
            self._drawn.append(seen)
        elif (place := int(self._random.random() * self._tally.rows)) < AT_RANDOM:
            self._drawn[place] = seen

    def made(self) -> list[Telling]:
        chosen: dict[int, Telling] = {}
        for why, (number, line, row) in self._reasons():
            if number in chosen:
                chosen[number].why.append(why)
            elif len(chosen) < MOST:
                chosen[number] = _telling(line, why, row, self._plain(row))
        if len({telling.line for telling in chosen.values()}) < len(chosen):
            for number, telling in chosen.items():
                telling.line = number
        return [telling for _, telling in sorted(chosen.items())]

    def _reasons(self) -> Iterator[tuple[str, Seen]]:
        """The most telling first."""
        for why, (_, seen) in self._most.items():
            if why != "most turns" or self._tally.turns:
                yield why, seen
        yield from self._doubted.items()
        roles = self._tally.roles
        rare = sorted((role for role in roles if roles[role] < self._tally.rows), key=lambda role: roles[role])
        for role in rare[:RARE_ROLES]:
            yield f"rare role ({role})", self._first_with_role[role]
        for seen in self._drawn:
            yield "drawn at random", seen


def _telling(line: int, why: str, row: Any, plain: Row) -> Telling:
    length = sum(map(len, _texts(row)))
    if length <= MOST_CHARACTERS and all(len(side) <= MOST_TURNS for side in _sides(row) if isinstance(side, list)):
        return Telling(line, [why], plain)
    return Telling(line, [why, f"cut, it has {length:,} characters"], _cut(plain))


def _sides(row: Any) -> Iterator[Any]:
    """The texts or lists of turns of a row as its format reads it."""
    for column in SIDES:
        side = getattr(row, column, None)
        if isinstance(side, str | list):
            yield side


def _texts(row: Any) -> Iterator[str]:
    for side in _sides(row):
        if isinstance(side, str):
            yield side
        else:
            for turn in side:
                yield turn.content


def _cut(row: Row) -> Row:
    """The row with its longest texts cut at their ends, as the trainer cuts rows, and without turns past the limit."""
    sides = {column: side for column, side in row.items() if column in SIDES}
    shorter = {column: _fewer(side) if isinstance(side, list) else side for column, side in sides.items()}
    limit = _limit(sorted(_lengths(shorter)))
    return row | {column: _cut_side(side, limit) for column, side in shorter.items()}


def _fewer(turns: list[Row]) -> list[Row]:
    """The first turns, up to the last answer among them."""
    kept = turns[:MOST_TURNS]
    answers = [number for number, turn in enumerate(kept, 1) if turn["role"] == "assistant"]
    return kept[: answers[-1]] if len(kept) < len(turns) and answers else kept


def _lengths(row: Row) -> Iterator[int]:
    for side in row.values():
        yield from [len(side)] if isinstance(side, str) else (len(turn["content"]) for turn in side)


def _limit(lengths: list[int]) -> int:
    """The longest that a text may be so that all of them together have at most `MOST_CHARACTERS`."""
    left = MOST_CHARACTERS
    for number, length in enumerate(lengths):
        share = left // (len(lengths) - number)
        if length > share:
            return share
        left -= length
    return MOST_CHARACTERS


def _cut_side(side: str | list[Row], limit: int) -> str | list[Row]:
    if isinstance(side, str):
        return side[:limit]
    return [{**turn, "content": turn["content"][:limit]} for turn in side]
