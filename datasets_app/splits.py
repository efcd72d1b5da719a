"""A dataset in two parts, one to train on and one to evaluate with, and what two datasets have in common.

Which part a row falls into depends on the row and the seed alone: equal rows fall into the same part, and the parts
come out the same again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy
from django_q.tasks import async_task

from finetune_site.problems import problem

from .corrections import require_rows
from .fingerprints import Prints, RowPrints, fingerprint, prints, question
from .judging import good_rows_of
from .models import Dataset
from .side_files import PRINTS, side_file
from .version_files import Step
from .versions import derive

TRAINING, HELD_OUT = "training", "held_out"
EXAMPLES = 3
TAKEN_AT_ONCE = 16 * 1024 * 1024
"""The prints of larger files are taken by a task."""


def split_dataset(*, dataset: Dataset, fraction: Any, seed: Any = 42, together: bool = True) -> tuple[Dataset, Dataset]:
    """Two new versions: the rows to train on and the rows held out. Bad rows are in neither.

    With `together`, rows that ask the same question stay in one part. Raises Problem where a part would be empty.
    """
    require_rows(dataset)
    share, number = _fraction(fraction), _seed(seed)
    held_out = round(share * dataset.usable_rows)
    if not 0 < held_out < dataset.usable_rows:
        message = (
            f"{share:.0%} of {dataset.usable_rows:,} good rows would leave one part without rows. Choose a fraction "
            "between, such as 0.1, or add rows."
        )
        raise problem("fraction", "split.empty-part", message)
    options = {"fraction": share, "seed": number, "together": together}
    if dataset.bad_rows:
        notes = [f"{dataset.bad_rows:,} of {dataset.rows:,} rows are in neither part because they are bad."]
    else:
        notes = []
    training, kept = (
        derive(dataset, "split", {**options, "part": part}, name=f"{dataset.name[:90]}, {words}", notes=notes)
        for part, words in ((TRAINING, "training part"), (HELD_OUT, "held-out part"))
    )
    return training, kept


def _fraction(given: Any) -> float:
    try:
        share = float(given)
    except (TypeError, ValueError):
        share = math.nan
    if not 0 < share < 1:
        message = f"The fraction to hold out must be a number between 0 and 1, such as 0.1; “{str(given)[:40]}” is not."
        raise problem("fraction", "split.fraction", message)
    return share


def _seed(given: Any) -> int:
    text = str(given)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        message = f"The seed must be a whole number from 0 to 999,999,999; “{text[:40]}” is not."
        raise problem("seed", "split.seed", message)
    return int(text)


def version_rows(parent: Dataset, options: Mapping[str, Any]) -> Iterator[Step]:
    """The rows of one part: of those held out the smallest keys, of those trained on the others."""
    keys = _Keys(str(options["seed"]), together=options["together"])
    limit = keys.limit(parent, options["fraction"])
    for line, raw, row in good_rows_of(parent):
        if (keys(row) < limit) == (options["part"] == HELD_OUT):
            yield line, raw, None


class _Keys:
    """A number for each row by which it is drawn: the same for equal rows, and as good as random."""

    def __init__(self, seed: str, *, together: bool) -> None:
        self._seed, self._together = seed, together

    def __call__(self, row: dict[str, Any]) -> int:
        asked = question(row) if self._together else None
        return fingerprint(row if asked is None else asked, self._seed)

    def limit(self, dataset: Dataset, fraction: float) -> int:
        """The key at which as many rows are held out as comes nearest to the fraction, and at least one."""
        drawn = numpy.sort(prints(self(row) for _, _, row in good_rows_of(dataset)))
        wanted = max(1, round(fraction * len(drawn)))
        limits, below = numpy.unique(drawn, return_index=True)
        if len(limits) < 2:
            message = "All rows ask the same question, so none can be held out while they stay together."
            raise problem("together", "split.one-question", message)
        nearest = numpy.abs(below[1:].astype(numpy.int64) - wanted).argmin() + 1
        return int(limits[nearest])


@dataclass(frozen=True)
class Overlap:
    """What of the rows to evaluate with is also trained on. `lines` are the first of them in that file."""

    rows: int
    same_rows: int
    same_questions: int
    lines: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "same_rows": self.same_rows,
            "same_questions": self.same_questions,
            "lines": list(self.lines),
        }


def overlap(training: Dataset, evaluation: Dataset) -> Overlap | None:
    """Counts the rows, and the questions, that both have. None while the prints of a large one are being taken."""
    known, others = _prints_at_hand(training), _prints_at_hand(evaluation)
    if known is None or others is None:
        return None
    return _counted(known, known.stat().st_mtime_ns, others, others.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _counted(known: Path, _made: int, others: Path, _others_made: int) -> Overlap:
    """Remembered, since a form asks at every change: half a million rows take a second."""
    rows, questions, _ = _read(known)
    held_rows, held_questions, lines = _read(others)
    same = numpy.isin(held_rows, rows)
    asked = numpy.isin(held_questions, questions) & (held_questions != 0)
    shared = lines[same | asked]
    return Overlap(len(held_rows), int(same.sum()), int(asked.sum()), tuple(map(int, shared[:EXAMPLES])))


def _read(path: Path) -> Prints:
    """Three lines of numbers for all good rows: the row, its question (0 where it has none), its line in the file."""
    return numpy.fromfile(path, dtype=numpy.uint64).reshape(3, -1)


def _prints_at_hand(dataset: Dataset) -> Path | None:
    kept = side_file(dataset.path, PRINTS)
    if kept is None and dataset.size_bytes > TAKEN_AT_ONCE:
        async_task("datasets_app.splits.take_prints", dataset.pk, task_name=f"take prints of dataset {dataset.pk}")
        return None
    return kept or _take_prints(dataset)


def take_prints(dataset_id: int) -> None:
    """Write down the prints of all good rows beside the file, unless they are there."""
    dataset = Dataset.objects.filter(pk=dataset_id).first()
    if dataset is not None and side_file(dataset.path, PRINTS) is None:
        _take_prints(dataset)


def _take_prints(dataset: Dataset) -> Path:
    taken = RowPrints()
    for line, _, row in good_rows_of(dataset):
        taken.add(line, row)
    return taken.save(dataset.path)
