"""Tells good rows of a dataset from bad ones, one by one, exactly as its reader did."""

from __future__ import annotations

from typing import Any

from .models import Dataset
from .reading.layouts import Kind, row_layout
from .reading.layouts.mixture import Mixture
from .reading.problems import ROW_ERRORS, BadRow


class Judge:
    def __init__(self, dataset: Dataset) -> None:
        kind = Kind(dataset.layout or dataset.format, dataset.format, dataset.conversational)
        self._form = row_layout(*kind)
        self._mixture = Mixture(kind, self._form)

    def __call__(self, line: int, raw: bytes) -> dict[str, Any] | BadRow:
        """What is trained of a row, or why it cannot be."""
        try:
            row = self._form.read(raw)
        except ROW_ERRORS as error:
            row = self._mixture.read(line, raw, error)
            if isinstance(row, BadRow):
                return row
        return self._form.plain(row)
