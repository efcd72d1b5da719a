"""Any row of a dataset: by its number or line, by a word in it, by what is wrong with it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from .judging import Judge
from .models import Dataset
from .preview import Pane, panes, shown
from .reading.problems import ROW_ERRORS, BadRow, Unread, storable
from .row_index import RowIndex, rows_from

LOOKED_FOR = 2.0
"""Seconds a search may take; then it says how far it has come, and can be gone on with from there."""
INDEXED_AT_ONCE = 32 * 1024 * 1024
"""Files up to this size are indexed when somebody looks; the others while they are read."""
LONGEST_CELL = 300


@dataclass(frozen=True)
class SeenRow:
    """One row as people and programs read it; `row` is None for a bad one."""

    number: int
    line: int
    raw: bytes
    row: dict[str, Any] | None = None
    code: str = ""
    problem: str = ""

    @cached_property
    def fields(self) -> Any:
        """Everything that stands in the file, long texts cut; as text what cannot be decoded."""
        try:
            return shown(msgspec.json.decode(self.raw))
        except ROW_ERRORS:
            return storable(self.raw[:10_000].strip().decode("utf-8", "replace"))

    @property
    def panes(self) -> list[Pane]:
        if self.row is not None:
            return panes(shown(self.row))
        return panes(self.fields) if isinstance(self.fields, dict) else []

    def cells(self, columns: list[str]) -> list[str]:
        """The values of columns, each short enough for a table."""
        fields = self.fields if isinstance(self.fields, dict) else {}
        texts = (fields.get(name, "") for name in columns)
        texts = (each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in texts)
        return [each if len(each) <= LONGEST_CELL else f"{each[:LONGEST_CELL]}…" for each in texts]

    @property
    def source(self) -> str:
        """The row as JSON on several lines; as it stands in the file where it is none."""
        return self.fields if isinstance(self.fields, str) else json.dumps(self.fields, ensure_ascii=False, indent=2)

    def as_dict(self) -> dict[str, Any]:
        told = {"code": self.code, "message": self.problem} if self.code else None
        return {"row": self.number, "line": self.line, "fields": self.fields, "problem": told}


@dataclass
class Found:
    """Rows that were asked for. `next` is where to go on, counted from 0; None at the end of the file."""

    rows: list[SeenRow] = field(default_factory=list)
    next: int | None = None
    searched: int = 0


def index_of(dataset: Dataset) -> RowIndex | None:
    """The index of a dataset's rows, made now if that takes no time; None where there is none."""
    index = RowIndex.load(dataset.path)
    if index is None and dataset.size_bytes <= INDEXED_AT_ONCE and dataset.path.exists():
        index = make_index(dataset)
    return index


def make_index(dataset: Dataset) -> RowIndex | None:
    index = RowIndex.of(dataset.path)
    if index is not None:
        index.save(dataset.path)
    return index


def find_rows(dataset: Dataset, *, offset: int = 0, limit: int = 5, search: str = "", problem: str = "") -> Found:
    """Rows from `offset` on, counted from 0, that hold `search` and are bad for `problem` (any code: `bad`)."""
    found = Found(searched=offset)
    stop_at = time.monotonic() + LOOKED_FOR
    judge = Judge(dataset)
    wanted = _Words(search)
    for number, line, raw in rows_from(dataset.path, index_of(dataset), offset):
        if len(found.rows) >= limit or (found.searched > offset and time.monotonic() > stop_at):
            found.next = number - 1
            break
        found.searched = number
        if wanted.are_in(raw):
            seen = _seen(judge, number, line, raw)
            if not problem or seen.code == problem or (problem == "bad" and seen.code):
                found.rows.append(seen)
    return found


def _seen(judge: Judge, number: int, line: int, raw: bytes) -> SeenRow:
    judged = judge(line, raw)
    if isinstance(judged, BadRow):
        raw = b"" if isinstance(raw, Unread) else raw
        return SeenRow(number, line, raw, None, judged.code, storable(str(judged)))
    return SeenRow(number, line, raw, judged)


class _Words:
    """A text that is looked for in the bytes of rows, in every way in which JSON may write it."""

    def __init__(self, text: str) -> None:
        plain = json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "replace").lower()
        self._ways = {plain, json.dumps(text)[1:-1].encode().lower()} if text else set()

    def are_in(self, raw: bytes) -> bool:
        if not self._ways:
            return True
        lower = raw.lower()
        return any(way in lower for way in self._ways)


def row_of_line(dataset: Dataset, line: int) -> int:
    """The row that stands on a line, or the next one after it, counted from 0; the last one for lines beyond."""
    index = index_of(dataset)
    first = index.row_before(line) if index else 0
    for number, begins, _ in rows_from(dataset.path, index, first):
        if begins >= line:
            return number - 1
    return max(0, dataset.rows - 1)
