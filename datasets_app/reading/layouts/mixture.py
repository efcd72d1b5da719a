"""Files whose rows do not all look alike: which layouts there are, how often, and where each is first met."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from ..explain import explain
from ..formats.base import RowFormat
from ..formats.spellings import Renamed
from ..problems import ROW_ERRORS, BadRow
from ..strange_numbers import without_strange_numbers
from . import LABELS, STRANGE, Kind, kind_of, row_layout

LINES_NAMED = 5
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Mixture:
    """Looks again at rows that are not as the rest of their file. Those of the same format are read all the same."""

    def __init__(self, kind: Kind, form: RowFormat[Any]) -> None:
        self._kind, self._form = kind, form
        self._forms: dict[Kind, RowFormat[Any]] = {}
        self._rows: Counter[str] = Counter()
        self._lines: dict[str, list[int]] = {}
        self._read_elsewhere = 0
        self._last_line = 0

    def read(self, line: int, raw: bytes, error: Exception) -> Any:
        """The row, or a `BadRow`: why it is none. `error` is what came of reading it as the file is read."""
        known = without_strange_numbers(raw)
        if known is not raw:
            try:
                return self._form.read(known)
            except ROW_ERRORS as reason:
                raw, error = known, reason
        kind = self._recognised(raw)
        if kind is None:
            return explain(error, raw)
        self._note(kind.layout, line)
        if kind.layout in (self._kind.layout, STRANGE.layout) or self._kind.layout in ("mapped", STRANGE.layout):
            return explain(error, raw)
        if (kind.format, kind.conversational) != (self._kind.format, self._kind.conversational):
            return _foreign(kind, self._kind)
        try:
            row = self._form_of(kind).read(raw)
        except ROW_ERRORS as reason:
            return explain(reason, raw)
        self._read_elsewhere += 1
        return row

    @staticmethod
    def _recognised(raw: bytes) -> Kind | None:
        try:
            return kind_of(_decode(raw))
        except ROW_ERRORS:
            return None

    def _form_of(self, kind: Kind) -> RowFormat[Any]:
        if kind not in self._forms:
            self._forms[kind] = row_layout(*kind)
        return self._forms[kind]

    def _note(self, layout: str, line: int) -> None:
        self._rows[layout] += 1
        self._last_line = line
        lines = self._lines.setdefault(layout, [])
        if len(lines) < LINES_NAMED:
            lines.append(line)

    def note_good(self, line: int) -> None:
        """One of the first good rows; those of another layout have been noted."""
        lines = self._lines.setdefault(self._kind.layout, [])
        if line != self._last_line and len(lines) < LINES_NAMED:
            lines.append(line)

    @property
    def renamed(self) -> Renamed:
        """Roles that were written in other words, in all rows."""
        return sum((form.renamed for form in self._forms.values()), self._form.renamed.copy())

    def as_list(self, good_rows: int) -> list[dict[str, Any]]:
        """Each layout with its rows and the lines of the first; empty where all rows look alike."""
        main = self._kind.layout
        others = self._rows.copy()
        of_main = others.pop(main, 0)
        if not others:
            return []
        rows = {main: of_main + good_rows - self._read_elsewhere} | dict(others.most_common())
        return [
            {"layout": layout, "rows": count, "lines": self._lines.get(layout, [])} for layout, count in rows.items()
        ]


def _foreign(kind: Kind, main: Kind) -> BadRow:
    return BadRow(
        "other-layout",
        f"The row looks like {LABELS[kind.layout]}, but the file holds {LABELS[main.layout]}. "
        "Put such rows into a file of their own.",
    )
