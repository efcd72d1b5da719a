"""The metrics of jobs in the database: many points in a row, and coarser levels for drawing long runs.

A row holds up to `POINTS_A_BATCH` points of one attempt, packed by columns. When `FACTOR` rows of a level are full,
their points are thinned into one row of the level above, so that a curve is drawn from a few dozen rows however
long the run was. What is recorded twice, because whoever follows a trainer died and another began at its first event,
stands there once: steps only go up.
"""

from __future__ import annotations

import logging
import math
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max, Min, QuerySet

from .curves import Point, is_measured, point_of, points, thinned
from .database_away import unless_away
from .models import Job, MetricBatch
from .progress import starts_again
from .run_folder import Event, RunFolder

logger = logging.getLogger(__name__)

POINTS_A_BATCH = 512
FACTOR = 4
"""Rows of a level that become one of the next: a third more room in all, and never over four times what is drawn."""
MOST_PENDING, SECONDS = 256, 5.0
"""What is said is written once so many events wait, or the last write was so long ago."""


class Recorder:
    """Takes what the trainer of the job's current attempt says, in order, and writes its points now and then.

    Give it every event from wherever you read, the first one included: what it has recorded before it passes over.
    While the database is away it keeps what it was told, and writes it later.
    """

    def __init__(self, job: Job) -> None:
        self.job_pk, self.attempt = job.pk, job.attempt
        self._pending: list[Event] = []
        self._reached = 0  # the last step that is known to be recorded
        self._written_at = time.monotonic()

    def add(self, event: Event) -> None:
        if starts_again(event):
            self._reached = 0
            self._pending.append(event)
        elif is_measured(event) and event["step"] >= self._reached:
            self._pending.append(event)
        if len(self._pending) >= MOST_PENDING or time.monotonic() - self._written_at >= SECONDS:
            self.flush()

    def flush(self) -> bool:
        """Write all that is waiting; False while the database is away."""
        self._written_at = time.monotonic()
        if self._pending and not unless_away(self._write, False):
            return False
        self._pending.clear()
        return True

    def _write(self) -> bool:
        try:
            with transaction.atomic():
                self._fold()
        except IntegrityError:
            logger.warning("Job %s was deleted; its metrics are dropped", self.job_pk)
        return True

    def _fold(self) -> None:
        """Go on from the last row of this attempt, which is open until a further step finds it full."""
        rows = self._rows()
        last = rows.filter(level=0).order_by("-number").first()
        number, held = (last.number, unpacked(last.points)) if last else (0, [])
        told_before = True
        for event in self._pending:
            if starts_again(event):
                rows.delete()
                number, held = 0, []
            elif not held or event["step"] > held[-1]["step"]:
                if len(held) == POINTS_A_BATCH:
                    self._close(0, number, held)
                    number, held = number + 1, []
                held.append(point_of(event))
                told_before = False
            elif event["step"] == held[-1]["step"] and held[-1] != (point := held[-1] | point_of(event)):
                held[-1] = point
                told_before = False
        if held and not told_before:
            self._store(0, number, held)
        self._reached = held[-1]["step"] if held else 0

    def _close(self, level: int, number: int, full: list[Point]) -> None:
        """Store a row that nothing is added to any more; the last of `FACTOR` makes one of the level above."""
        self._store(level, number, full)
        if (number + 1) % FACTOR == 0:
            these = self._rows().filter(level=level, number__gt=number - FACTOR, number__lte=number)
            merged = thinned(list(_points_of(these)), POINTS_A_BATCH)
            self._close(level + 1, number // FACTOR, merged)

    def _store(self, level: int, number: int, held: list[Point]) -> None:
        row = batch(held, job_id=self.job_pk, attempt=self.attempt, level=level, number=number)
        MetricBatch.objects.bulk_create(
            [row],
            update_conflicts=True,
            unique_fields=["job", "attempt", "level", "number"],
            update_fields=["first_step", "last_step", "count", "points"],
        )

    def _rows(self) -> QuerySet[MetricBatch]:
        return MetricBatch.objects.filter(job=self.job_pk, attempt=self.attempt)


def record_all(job: Job) -> None:
    """Record whatever the files of the job's current attempt say, however much of it is recorded already."""
    recorder = Recorder(job)
    for event in RunFolder(job.run_dir).all_events():
        recorder.add(event)
    recorder.flush()


def curve(job: Job, most_points: int) -> list[Point]:
    """The points of all attempts, at most so many. What a later attempt repeated replaces what an earlier one had."""
    spans = _spans(job)
    if not spans:
        return thinned(_from_files(job), most_points)
    number_of_points = sum(span.batches for span in spans) * POINTS_A_BATCH
    level = max(0, math.floor(math.log(max(1, number_of_points / (2 * most_points)), FACTOR)))
    found = chain.from_iterable(_at_level(job, span, level) for span in spans)
    return thinned(list(found), most_points)


def full_curve(job: Job, *, after: int, most_points: int) -> tuple[list[Point], int | None]:
    """Every point behind step `after`, so many at once, and the step to ask on from: None when these are the last."""
    spans = _spans(job)
    every = chain.from_iterable(_all_of(job, span, after) for span in spans) if spans else iter(_from_files(job))
    found = list(islice((point for point in every if point["step"] > after), most_points + 1))
    more = len(found) > most_points
    return found[:most_points], found[most_points - 1]["step"] if more else None


@dataclass(frozen=True)
class _Span:
    """The steps of an attempt that count: those before the first of any later attempt."""

    attempt: int
    before: float
    batches: int

    def holds(self, points: Iterable[Point]) -> Iterator[Point]:
        return (point for point in points if point["step"] < self.before)


def _spans(job: Job) -> list[_Span]:
    rows = MetricBatch.objects.filter(job=job, level=0).order_by().values("attempt")
    attempts = rows.annotate(first=Min("first_step"), last=Max("number")).order_by("-attempt")
    spans: list[_Span] = []
    before = math.inf
    for row in attempts:
        spans.append(_Span(row["attempt"], before, row["last"] + 1))
        before = min(before, row["first"])
    return spans[::-1]


def _at_level(job: Job, span: _Span, level: int) -> Iterator[Point]:
    """The rows of a level, and of finer ones at the end that has not been merged yet."""
    merged = 0  # rows of level 0 that have been read, as themselves or thinned
    for each in range(level, -1, -1):
        rows = _rows_of(job, span, each).filter(number__gte=merged // FACTOR**each)
        for row in rows:
            yield from span.holds(unpacked(row.points))
            merged = (row.number + 1) * FACTOR**each


def _all_of(job: Job, span: _Span, after: int) -> Iterator[Point]:
    rows = _rows_of(job, span, 0).filter(last_step__gt=after)
    return span.holds(_points_of(rows))


def _rows_of(job: Job, span: _Span, level: int) -> QuerySet[MetricBatch]:
    rows = MetricBatch.objects.filter(job=job, attempt=span.attempt, level=level).order_by("number")
    return rows if span.before == math.inf else rows.filter(first_step__lt=span.before)


def _points_of(rows: QuerySet[MetricBatch]) -> Iterator[Point]:
    for row in rows.order_by("number").iterator(chunk_size=8):
        yield from unpacked(row.points)


def _from_files(job: Job) -> list[Point]:
    """The curve of a run of before metrics were recorded."""
    folders = (Path(settings.RUNS_DIR) / str(job.pk) / str(attempt) for attempt in range(1, job.attempt + 1))
    found: list[Point] = []
    for folder in folders:
        of_attempt = points(RunFolder(folder).all_events())
        if of_attempt:
            found = [point for point in found if point["step"] < of_attempt[0]["step"]] + of_attempt
    return found


def batch(held: list[Point], **place: Any) -> MetricBatch:
    """The row of these points, which are in the order of their steps."""
    ends = {"first_step": held[0]["step"], "last_step": held[-1]["step"]}
    return MetricBatch(**place, **ends, count=len(held), points=packed(held))


def packed(held: list[Point]) -> bytes:
    """Points by columns, compressed: about 20 bytes a point. A column that has gaps says where its values stand."""
    names = {name: None for point in held for name in point}
    columns: dict[str, Any] = {}
    for name in names:
        at = [place for place, point in enumerate(held) if name in point]
        values = [held[place][name] for place in at]
        columns[name] = values if len(at) == len(held) else {"at": at, "values": values}
    return zlib.compress(msgspec.json.encode(columns), 1)


def unpacked(stored: bytes | memoryview) -> list[Point]:
    columns: dict[str, Any] = msgspec.json.decode(zlib.decompress(stored))
    held: list[Point] = [{"step": step} for step in columns.pop("step")]
    for name, column in columns.items():
        pairs = zip(column["at"], column["values"], strict=True) if isinstance(column, dict) else enumerate(column)
        for place, value in pairs:
            held[place][name] = value
    return held
