"""What the page of rows shows: which of them, how, and where to go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import randrange
from typing import Any

from .browsing import Found, find_rows, row_of_line
from .models import Dataset
from .reading import REASONS

VIEWS = {"bubbles": "Bubbles", "table": "Table", "raw": "JSON"}
LIMITS = (1, 5, 25)
MOST = 10**15
CELLS = 8
"""Columns of the table; the others are in the JSON."""


@dataclass(frozen=True)
class RowPage:
    """Rows from `first` on, counted from 1, as they were asked for."""

    dataset: Dataset
    found: Found
    view: str
    limit: int
    first: int
    search: str
    problem: str

    @classmethod
    def of(cls, dataset: Dataset, asked: Mapping[str, Any]) -> RowPage:
        """From the query of an address. What makes no sense is as if it had not been asked for."""
        view = asked.get("view", "")
        limit = _number(asked.get("limit")) or 5
        search = str(asked.get("search", "")).strip()[:200]
        problem = asked.get("problem", "")
        problem = problem if problem in REASONS or problem == "bad" else ""
        first = _first(dataset, asked)
        limit = limit if limit in LIMITS else 5
        found = find_rows(dataset, offset=first - 1, limit=limit, search=search, problem=problem)
        return cls(dataset, found, view if view in VIEWS else "bubbles", limit, first, search, problem)

    @property
    def narrowed(self) -> bool:
        return bool(self.search or self.problem)

    @property
    def previous(self) -> int | None:
        return max(1, self.first - self.limit) if self.first > 1 and not self.narrowed else None

    @property
    def next(self) -> int | None:
        return None if self.found.next is None else self.found.next + 1

    @property
    def problems(self) -> list[tuple[str, str, int]]:
        """Classes of bad rows to choose from: code, name and number."""
        by_code = self.dataset.stats.get("bad_rows_by_code", {})
        return [(code, REASONS.get(code, code), number) for code, number in by_code.items()]

    @property
    def columns(self) -> list[str]:
        fields = (each.fields for each in self.found.rows)
        names = dict.fromkeys(name for row in fields if isinstance(row, dict) for name in row)
        return list(names)[:CELLS]

    @property
    def table(self) -> list[tuple[Any, list[Any]]]:
        """Each row with its cells."""
        return [(each, each.cells(self.columns)) for each in self.found.rows]

    views = VIEWS
    limits = LIMITS


def _first(dataset: Dataset, asked: Mapping[str, Any]) -> int:
    if "random" in asked and dataset.rows:
        return randrange(dataset.rows) + 1  # noqa: S311 - which row is shown is no secret
    if line := _number(asked.get("line")):
        return row_of_line(dataset, line) + 1
    return max(1, min(_number(asked.get("row")) or 1, dataset.rows))


def _number(text: Any) -> int:
    text = str(text or "")
    return min(int(text), MOST) if text.isascii() and text.isdigit() and len(text) < 19 else 0
