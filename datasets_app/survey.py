"""Looks through all good rows of a dataset once it has been read: contents, figures to draw, prints, index.

What comes of it lies beside the file. Nothing waits for it: pages and rules say what is known so far.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from .browsing import make_index
from .content import Contents
from .fingerprints import RowPrints
from .judging import good_rows_of
from .models import Dataset
from .reading.problems import storable
from .side_files import SURVEY, side_file, write_side_file

logger = logging.getLogger(__name__)

ADVICE_TOLD = 3
"""The page has the rest."""


def survey_of(dataset: Dataset) -> dict[str, Any] | None:
    """What was found, if that is known: `rows`, `advice`, `figures`."""
    kept = side_file(dataset.path, SURVEY)
    if kept is None:
        return None
    found: dict[str, Any] = msgspec.json.decode(kept.read_bytes())
    return found


def advice_on(dataset: Dataset) -> tuple[str, ...]:
    """The most frequent findings in a few words each, for the report of a job; none while they are not known."""
    advice = (survey_of(dataset) or {"advice": ()})["advice"]
    return tuple(f"{each['title'].lower()} ({each['rows']:,})" for each in advice[:ADVICE_TOLD])


def survey(dataset: Dataset) -> None:
    """Look through a dataset that is ready. What goes wrong here costs its findings, not the dataset."""
    try:
        _survey(dataset)
    except Exception as error:
        logger.error("Looking through dataset %s failed", dataset.pk, exc_info=error)


def _survey(dataset: Dataset) -> None:
    make_index(dataset)
    if not dataset.is_convertible:
        return
    contents, taken = Contents(), RowPrints()
    for line, _, row in good_rows_of(dataset):
        contents.add(line, row)
        taken.add(line, row)
    taken.save(dataset.path)
    found = {
        "rows": contents.rows,
        "advice": [each.as_dict() for each in contents.advice(*taken.repeats())],
        "figures": contents.figures(),
    }
    write_side_file(dataset.path, SURVEY, [storable(msgspec.json.encode(found).decode()).encode()])
