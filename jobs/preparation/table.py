"""What becomes of every row, in numbers: a few bytes for each, held in arrays and kept in one file."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import numpy as np

from .fate import COLUMNS, Fate
from .plan import Plan
from .prepare import Example, Failed, Pair, Prepared


class Table:
    """Rows in the order in which they were added."""

    def __init__(self, plan: Plan, unknown: int | None) -> None:
        self._plan, self._unknown = plan, unknown
        self._columns = {name: array(kind) for name, kind in COLUMNS.items()}

    def __len__(self) -> int:
        return len(self._columns["fate"])

    def add(self, row: Prepared) -> Fate:
        tokens, kept, trained, unknown, fate = self._measured(row)
        if unknown:
            fate |= Fate.UNKNOWN
        for column, value in zip(self._columns.values(), (tokens, kept, trained, unknown, int(fate)), strict=True):
            column.append(value)
        return fate

    def _measured(self, row: Prepared) -> tuple[int, int, int, int, Fate]:
        if isinstance(row, Failed):
            return 0, 0, 0, 0, Fate.REFUSED
        return self._example(row) if isinstance(row, Example) else self._pair(row)

    def _example(self, row: Example) -> tuple[int, int, int, int, Fate]:
        most, tokens = self._plan.max_length, len(row.ids)
        whole = tokens if row.learnt is None else sum(row.learnt)
        trained = whole if tokens <= most else most if row.learnt is None else sum(row.learnt[:most])
        fate = Fate(0)
        if tokens > most:
            fate |= Fate.CUT | (Fate.END_CUT if trained < whole else Fate(0))
        if not trained:
            fate |= Fate.DROPPED if whole else Fate.MASKED
        return tokens, min(tokens, most), trained, self._unknowns(row.ids), fate

    def _pair(self, row: Pair) -> tuple[int, int, int, int, Fate]:
        asked, answers = len(row.prompt), (row.chosen, row.rejected)
        room = max(0, self._plan.max_length - asked)
        tokens = asked + max(map(len, answers))
        fate = Fate(0)
        if tokens > self._plan.max_length:
            fate |= Fate.CUT | Fate.END_CUT
        if not room:
            fate |= Fate.DROPPED
        elif row.chosen[:room] == row.rejected[:room]:
            fate |= Fate.EQUAL if row.chosen == row.rejected else Fate.EQUAL_CUT
        trained = sum(min(room, len(answer)) for answer in answers)
        unknown = self._unknowns(row.prompt) + sum(map(self._unknowns, answers))
        return tokens, min(tokens, self._plan.max_length), trained, unknown, fate

    def _unknowns(self, ids: list[int]) -> int:
        return 0 if self._unknown is None else ids.count(self._unknown)

    def arrays(self) -> dict[str, Any]:
        return {name: np.frombuffer(column, dtype=column.typecode) for name, column in self._columns.items()}

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(file, **self.arrays())
