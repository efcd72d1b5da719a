"""The few rows of a dataset that a rehearsal trains on: chosen in one pass over the file, then remembered."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from .models import Dataset, TellingRows
from .reading import choose_telling_rows


def telling_rows(dataset: Dataset) -> TellingRows:
    """The telling rows of a dataset that is ready. The first call reads the whole file: not for a request."""
    return telling_rows_at_hand(dataset) or _choose(dataset)


def telling_rows_at_hand(dataset: Dataset) -> TellingRows | None:
    """The telling rows, if they have been chosen."""
    return TellingRows.objects.filter(dataset=dataset).first()


def as_rehearsed(chosen: TellingRows) -> list[dict[str, Any]]:
    """As in `jobs.rehearsal.document.TellingRow`."""
    rows: list[dict[str, Any]] = json.loads(chosen.rows)
    return rows


def _choose(dataset: Dataset) -> TellingRows:
    seed = dataset.sha256 or str(dataset.pk)
    found = choose_telling_rows(dataset.path, dataset.format, dataset.conversational, seed, dataset.layout)
    text = json.dumps([telling.as_dict() for telling in found])
    chosen = {"rows": text, "digest": hashlib.sha256(text.encode()).hexdigest()}
    return TellingRows.objects.update_or_create(dataset=dataset, defaults=chosen)[0]
