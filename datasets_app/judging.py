"""Tells good rows of a dataset from bad ones, one by one, exactly as its reader did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .models import Dataset
from .reading.layouts import Kind, row_layout
from .reading.layouts.mixture import Mixture
from .reading.problems import ROW_ERRORS, BadRow
from .reading.sources import rows_of


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


def good_rows_of(dataset: Dataset) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    """The line, the bytes and what is trained of each good row."""
    judge = Judge(dataset)
    for line, raw in rows_of(dataset.path):
        row = judge(line, raw)
        if not isinstance(row, BadRow):
            yield line, raw, row
