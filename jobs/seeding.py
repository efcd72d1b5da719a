"""A history that nobody lived, of any size, to measure pages and queries with.

Its shapes are those of real ones: a few people have most jobs; specifications, facts and findings are what a review
says today; every job has its transitions and attempts, and trained ones a curve with noise, evaluations and a peak.
What is drawn by lot comes from one seed, so the same call makes the same history again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import accumulate
from random import Random
from typing import Any

from django.contrib.auth.models import User
from django.core.management.color import no_style
from django.db import connection, models, transaction
from django.utils import timezone

from datasets_app.models import Dataset
from models_catalog.models import BaseModel

from .curves import Point, thinned
from .metrics import FACTOR, POINTS_A_BATCH, packed
from .models import Attempt, Job, MetricBatch, Outcome, State, Transition
from .review import review
from .rulebook import read

JOBS_AT_ONCE = 2_000
LASTS = timedelta(days=730)
SUBJECTS = ("support", "billing", "legal", "medical", "travel", "school", "kitchen", "garden", "finance", "sports")
FORMS = ("chats", "letters", "summaries", "questions", "reports", "notes", "reviews", "forms", "manuals", "tickets")
ENDS = {State.SUCCEEDED: 0.68, State.FAILED: 0.14, State.CANCELLED: 0.1, State.REFUSED: 0.08}
WAITING = {State.QUEUED: 0.8, State.PAUSED: 0.2}
MACHINES = ("alder", "birch", "cedar")
LONG, VERY_LONG = 100_000, 1_000_000
"""Points of the longest runs: ten of the first and one of the second, where so many are asked for."""
SHORT_CURVES = 300


class Rows:
    """Rows of a model on their way into the database: by COPY where there is one, else by many at once."""

    def __init__(self, model: type[models.Model]) -> None:
        self.model = model
        kept = [each for each in model._meta.concrete_fields if not each.generated]
        self._usual = {each.attname: _stored(each, each.get_default()) for each in kept}
        self._columns = ", ".join(connection.ops.quote_name(str(each.column)) for each in kept)
        self._waiting: list[tuple[Any, ...]] = []
        self.written = 0

    def add(self, **values: Any) -> None:
        """One row, numbered from 1. Values are as the database takes them: JSON as text, times by `stored_time`."""
        self.written += 1
        self._waiting.append(tuple((self._usual | {"id": self.written} | values).values()))

    def flush(self) -> None:
        table = connection.ops.quote_name(self.model._meta.db_table)
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY {table} ({self._columns}) FROM STDIN") as copy:
                    for row in self._waiting:
                        copy.write_row(row)
            else:
                marks = ", ".join(["%s"] * len(self._usual))
                cursor.executemany(
                    f"INSERT INTO {table} ({self._columns}) VALUES ({marks})",  # noqa: S608 - names of ours
                    self._waiting,
                )
        self._waiting.clear()


def flush(*tables: Rows) -> None:
    """In this order, so that what a row refers to is there before it."""
    with transaction.atomic():
        for table in tables:
            table.flush()


def _stored(kept: models.Field[Any, Any], value: Any) -> Any:
    if isinstance(kept, models.JSONField):
        return None if value is None else json.dumps(value)
    return stored_time(value) if isinstance(value, datetime) else value


def stored_time(time: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(time)


@dataclass(frozen=True)
class Kind:
    """Jobs that differ only in their names: one person's dataset on one model."""

    owner: int
    dataset: int
    base_model: int
    named: str
    spec: str
    facts: str
    findings: str

    @property
    def row(self) -> dict[str, Any]:
        keys = {"owner_id": self.owner, "dataset_id": self.dataset, "base_model_id": self.base_model}
        return {**keys, "facts": self.facts, "findings": self.findings}


@dataclass(frozen=True)
class Curve:
    """The rows of a run's metrics, and what the job says of them."""

    rows: list[dict[str, Any]]
    steps: int
    points: int
    metrics: str


@dataclass
class History:
    """Writes a history of so many jobs and points into an empty database."""

    jobs: int
    metrics: int
    say: Callable[[str], object]
    lot: Random = field(default_factory=lambda: Random(1))  # noqa: S311 - nothing is secret here

    def write(self) -> None:
        """Raises ValueError when there are jobs already."""
        if Job.objects.exists():
            raise ValueError("There are jobs in this database. Seed one that has none.")
        self.say(f"{len(self._kinds)} kinds of jobs")
        tables = [Rows(model) for model in (Job, Attempt, Transition, MetricBatch)]
        self._write_jobs(*tables)
        self._tidy([table.model for table in tables])
        self.say(f"{self.jobs} jobs, {tables[2].written} transitions, {self._drawn} points in {tables[3].written} rows")

    def _write_jobs(self, jobs: Rows, attempts: Rows, transitions: Rows, batches: Rows) -> None:
        """In the order of their creation; the last few wait."""
        owned = list(accumulate(1 / rank for rank, _ in enumerate(self._people, start=1)))
        by_owner: dict[int, list[Kind]] = {}
        for kind in self._kinds:
            by_owner.setdefault(kind.owner, []).append(kind)
        ends, waiting = self._drawn_states(ENDS), self._drawn_states(WAITING)
        now = timezone.now()
        active, self._drawn = min(200, self.jobs // 20), 0
        for number in range(1, self.jobs + 1):
            owner = self.lot.choices(self._people, cum_weights=owned)[0]
            kind = self.lot.choice(by_owner[owner])
            made = now - LASTS * ((self.jobs - number + self.lot.random()) / self.jobs)
            state = next(waiting) if number > self.jobs - active else next(ends)
            life = Life(number, state, made, self._curve_for(number, state), self.lot)
            name = f"{kind.named} {number}"
            jobs.add(**kind.row, **life.row(), name=name, spec=kind.spec.replace("NAME", name))
            for row in life.attempts():
                attempts.add(**row)
            for row in life.transitions():
                transitions.add(**row)
            for row in life.curve.rows if life.curve else ():
                batches.add(job_id=number, **row)
            self._drawn += life.curve.points if life.curve else 0
            if number % JOBS_AT_ONCE == 0 or number == self.jobs:
                flush(jobs, attempts, transitions, batches)
            if number % 50_000 == 0:
                self.say(f"{number} jobs, {self._drawn} points")

    def _drawn_states(self, shares: dict[State, float]) -> Iterator[State]:
        while True:
            yield from self.lot.choices(list(shares), weights=list(shares.values()), k=1000)

    def _curve_for(self, number: int, state: State) -> Curve | None:
        if state not in (State.SUCCEEDED, State.FAILED, State.PAUSED):
            return None
        if self._long and number % max(1, self.jobs // (len(self._long_sizes) + 1)) == 0:
            return next(self._long, None) or self.lot.choice(self._short)
        return self.lot.choice(self._short)

    @cached_property
    def _long_sizes(self) -> list[int]:
        sizes = [VERY_LONG, *[LONG] * 10] if self.metrics >= 10 * VERY_LONG else [self.metrics // 20]
        return [size for size in sizes if size > POINTS_A_BATCH]

    @cached_property
    def _long(self) -> Iterator[Curve]:
        return (self._curve(size) for size in self._long_sizes)

    @cached_property
    def _short(self) -> list[Curve]:
        """Curves that most jobs share, so long that all together have the points that were asked for."""
        trained = self.jobs * (ENDS[State.SUCCEEDED] + ENDS[State.FAILED])
        sizes = [self.lot.lognormvariate(0, 1) for _ in range(SHORT_CURVES)]
        scale = (self.metrics - sum(self._long_sizes)) / trained / (sum(sizes) / len(sizes))
        return [self._curve(max(1, round(size * scale))) for size in sizes]

    def _curve(self, size: int) -> Curve:
        """Falls towards its floor with noise, evaluates ten times at most, peaks once."""
        every, floor, first = self.lot.choice((1, 5, 10)), self.lot.uniform(0.4, 1.4), self.lot.uniform(1.8, 3.5)
        peak, evaluate = self.lot.randrange(size), max(2, size // 10)
        noise = self.lot.gauss
        found: list[Point] = []
        for at in range(size):
            loss = floor + (first - floor) * math.exp(-4 * at / size) + noise(0, 0.05) + (3 if at == peak else 0)
            point: Point = {"step": (at + 1) * every, "loss": round(loss, 4), "learning_rate": 2e-4 * (1 - at / size)}
            point |= {"grad_norm": round(abs(noise(1, 0.3)), 4), "epoch": round(3 * (at + 1) / size, 4)}
            if at % evaluate == evaluate - 1:
                point["eval_loss"] = round(loss + 0.1, 4)
            found.append(point)
        latest = {name: value for name, value in found[-1].items() if name != "step"}
        return Curve(list(rows_of(found)), found[-1]["step"], size, json.dumps(latest))

    @cached_property
    def _people(self) -> list[int]:
        names = [f"person-{number:03}" for number in range(1, max(3, min(200, self.jobs // 500)) + 1)]
        people = [User(username=name, email=f"{name}@example.org") for name in names]
        for user in people:
            user.set_unusable_password()
        return [user.pk for user in User.objects.bulk_create(people)]

    @cached_property
    def _kinds(self) -> list[Kind]:
        datasets = [self._dataset(owner, number) for owner in self._people for number in range(10)]
        bases = list(BaseModel.objects.order_by("pk")[:40])
        owners = User.objects.in_bulk(self._people)
        return [self._kind(owners[dataset.owner_id], dataset, self.lot.choice(bases))
                for dataset in Dataset.objects.bulk_create(datasets)]  # fmt: skip

    def _dataset(self, owner: int, number: int) -> Dataset:
        name = f"{self.lot.choice(SUBJECTS)} {self.lot.choice(FORMS)} {number}"
        rows = round(self.lot.lognormvariate(8, 1))
        pairs = number % 4 == 0
        kind = {"format": "preference", "columns": ["prompt", "chosen", "rejected"]} if pairs else {
            "format": "messages", "columns": ["messages"]}  # fmt: skip
        read_ = {"status": Dataset.Status.READY, "rows": rows, "size_bytes": rows * 900, "conversational": True}
        return Dataset(owner_id=owner, name=name, file_name="rows.jsonl", **kind, **read_)

    def _kind(self, owner: User, dataset: Dataset, model: BaseModel) -> Kind:
        """As a review judges it today, without what stands against it here, such as a model that is not at hand."""
        method = {"messages": "sft", "preference": "dpo"}[dataset.format]
        data = {"dataset": str(dataset.pk), "strategy": "chat"}
        asked = review(read({"model": {"name": model.name}, "data": data, "training": {"method": method}}), user=owner)
        findings = [finding.as_dict() for finding in asked.report.warnings]
        facts = asked.plain_facts() | {"gpus": 1}
        spec = asked.choices.spec() | {"name": "NAME"}
        named = f"{model.name.rpartition('/')[2]} on {dataset.name}"
        texts = (json.dumps(each) for each in (spec, facts, findings))
        return Kind(owner.pk, dataset.pk, model.pk, named, *texts)

    def _tidy(self, seeded: Sequence[type[models.Model]]) -> None:
        """Numbers go on behind those that were written; the planner learns what the tables hold now."""
        with connection.cursor() as cursor:
            for sql in connection.ops.sequence_reset_sql(no_style(), list(seeded)):
                cursor.execute(sql)
            may_vacuum = connection.vendor == "postgresql" and not connection.in_atomic_block
            cursor.execute("VACUUM ANALYZE" if may_vacuum else "ANALYZE")


@dataclass
class Life:
    """What happened to one job, from its creation on."""

    number: int
    state: State
    made: datetime
    curve: Curve | None
    lot: Random

    def __post_init__(self) -> None:
        self.waited = timedelta(seconds=self.lot.expovariate(1 / 600))
        self.took = timedelta(seconds=60 + (self.curve.steps if self.curve else 0) * 1.5)
        self.machine = self.lot.choice(MACHINES)
        self.was_taken = self.curve is not None
        self.again = self.was_taken and self.lot.random() < 0.04

    @property
    def has_ended(self) -> bool:
        return self.state in ENDS

    @property
    def tries(self) -> int:
        return (2 if self.again else 1) if self.was_taken else 0

    def row(self) -> dict[str, Any]:
        ended = self.made + self.waited + (self.took if self.was_taken else timedelta())
        row = {
            "id": self.number,
            "state": str(self.state),
            "created_at": stored_time(self.made),
            "attempt": self.tries,
            "finished_at": stored_time(ended) if self.has_ended else None,
        }
        if self.state in (State.FAILED, State.REFUSED):
            row["error"] = ERRORS[self.number % len(ERRORS)]
        if self.curve:
            row |= {"machine": self.machine, "started_at": stored_time(self.made + self.waited)}
            row |= {"step": self.curve.steps, "total_steps": self.curve.steps, "metrics": self.curve.metrics}
        if self.state == State.SUCCEEDED:
            row["result"] = RESULTS[self.number % len(RESULTS)]
        return row

    def attempts(self) -> Iterator[dict[str, Any]]:
        for number in range(1, self.tries + 1):
            last = number == self.tries
            began = self.made + self.waited + (number - 1) * self.took / self.tries
            yield {
                "job_id": self.number,
                "number": number,
                "machine": self.machine,
                "slots": "[0]",
                "started_at": stored_time(began),
                "trained_at": stored_time(began + timedelta(seconds=5)),
                "ended_at": stored_time(began + self.took / self.tries),
                "outcome": str(self.state if last else Outcome.LOST),
                "first_step": 0,
                "last_step": self.curve.steps if self.curve and last else 0,
            }

    def transitions(self) -> Iterator[dict[str, Any]]:
        states = [State.CHECKING, State.QUEUED]
        states += [State.PREPARING, State.RUNNING] * self.tries
        states += [self.state] if self.state != State.QUEUED else []
        was = ""
        for place, state in enumerate(states):
            at = self.made + place * (self.waited + self.took) / len(states)
            yield {"job_id": self.number, "from_state": was, "to_state": str(state), "at": stored_time(at),
                   "attempt": min(self.tries, place // 2), "reason": REASONS.get(state, "")}  # fmt: skip
            was = str(state)


REASONS = {State.QUEUED: "Rehearsed: it works.", State.RUNNING: "Training starts."}


def _finding(code: str, message: str) -> str:
    return json.dumps({"code": code, "severity": "error", "field": None, "message": message, "fix": None, "fixes": []})


ERRORS = [
    _finding("run.machine-stopped", "The machine stopped while this job was training. Retry the job."),
    _finding("run.killed", "The training process was ended from outside (SIGKILL). Retry the job."),
    _finding("memory.out-of-memory", "The GPU's memory did not suffice. Halve the batch size."),
]


def _result(size: int) -> str:
    measured = {"memory_bytes": size * 40, "seconds_per_step": 1.5, "tokens_per_step": 4096, "batch_size": 4}
    files = ("adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "README.md")
    artifacts = [{"name": name, "size": size // (place + 1), "sha256": f"{size + place:064x}"}
                 for place, name in enumerate(files)]  # fmt: skip
    versions = {"torch": "2.13.0", "transformers": "5.23.0", "trl": "1.16.0", "peft": "0.21.2"}
    return json.dumps({"rows_of_dataset": 5000, "rows_left_out": 0, "measured": measured, "artifacts": artifacts,
                       "versions": versions})  # fmt: skip


RESULTS = [_result(size) for size in range(20_000_000, 60_000_000, 4_000_000)]


def rows_of(found: list[Point]) -> Iterator[dict[str, Any]]:
    """The rows of a whole curve, as a `Recorder` leaves them that was told its points one after the other."""
    level, held = 0, [found[at : at + POINTS_A_BATCH] for at in range(0, len(found), POINTS_A_BATCH)]
    full = [points for points in held if len(points) == POINTS_A_BATCH]
    closed = full[:-1] if len(full) == len(held) else full
    while held:
        for number, points in enumerate(held):
            yield {
                "attempt": 1,
                "level": level,
                "number": number,
                "first_step": points[0]["step"],
                "last_step": points[-1]["step"],
                "count": len(points),
                "points": packed(points),
            }
        groups = [closed[at : at + FACTOR] for at in range(0, len(closed) - FACTOR + 1, FACTOR)]
        held = closed = [thinned([point for each in group for point in each], POINTS_A_BATCH) for group in groups]
        level += 1
