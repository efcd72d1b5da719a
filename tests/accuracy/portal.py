"""What the portal says: file and model go in by the way that people use, then the job is checked."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from datasets_app.models import Dataset
from datasets_app.reading.formats import row_format
from datasets_app.reading.sources import rows_of
from datasets_app.services import create_dataset
from datasets_app.telling_rows import as_rehearsed, telling_rows
from finetune_site.problems import Problem
from jobs.rehearsals import count_rows
from jobs.review import Review, apply_fix, review
from jobs.rulebook import Choices, Finding, Fix, Severity, read
from jobs.rulebook.reading import nest
from jobs.rulebook.settings_table import SETTINGS
from jobs.run_inputs import run_file
from jobs.warm.client import Unanswered, ask
from models_catalog import catalogue
from models_catalog.looks import look_into
from models_catalog.models import BaseModel
from models_catalog.services import register
from tests.make import make_user

from .case import Case
from .warm import Warm

PATIENCE = 60.0
"""Seconds a rehearsal may take."""
MODEL = "house/case"
AT_HAND = "house/at-hand"
"""A model with a chat template that can be trained at once, for fixes that offer another model."""


@dataclass(frozen=True)
class Verdict:
    """`findings` block the job when one of them is an error; those of an upload or a registration always do.

    `unasked` are the codes of rules that lacked a fact; those about all rows do while anything stands against a job.
    """

    findings: tuple[Finding, ...]
    seconds: float
    choices: Choices = field(default_factory=lambda: Choices({}))
    facts: Mapping[str, Any] = field(default_factory=dict)
    rehearsed: str = ""
    rehearsal: float = 0.0
    unasked: frozenset[str] = frozenset()

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.severity == "error")

    @property
    def told(self) -> set[str]:
        """Codes of everything that was said."""
        return {each.code for each in self.findings}


class Portal:
    """One case at a time: the one before is forgotten."""

    def __init__(self, at_hand: Path, scratch: Path, warm: Warm) -> None:
        self.user, self.at_hand, self.scratch, self.warm = make_user("owner"), at_hand, scratch, warm
        warm.keep()
        look_into(register(name=AT_HAND, source="local", path=str(at_hand)))

    def check(self, case: Case, model: Path) -> Verdict:
        self._forget()
        self.warm.keep()
        started = time.monotonic()
        refused = [*self._register(model), *self._upload(case)]
        if refused:
            return Verdict(tuple(refused), time.monotonic() - started)
        asked = {**case.spec, "model.name": MODEL, "data.dataset": str(self.dataset.pk)}
        return self.ask(read(nest(asked)), started)

    def ask(self, choices: Choices, started: float | None = None) -> Verdict:
        started = started or time.monotonic()
        self.warm.keep()
        reviewed: Review = review(choices, user=self.user)
        seconds = time.monotonic() - started
        if reviewed.report.ok and count_rows(reviewed, self.user):
            reviewed = review(choices, user=self.user)
        verdict = Verdict(
            tuple(reviewed.report),
            seconds,
            reviewed.choices,
            reviewed.plain_facts(),
            unasked=frozenset(reviewed.report.unasked),
        )
        return verdict if verdict.errors else self._rehearsed(verdict)

    def _rehearsed(self, verdict: Verdict) -> Verdict:
        """What the rehearsal adds. A job that cannot be rehearsed goes on, as its author may decide."""
        model = catalogue.find(verdict.choices.values["model.name"])
        dataset = Dataset.objects.get(pk=verdict.choices.values["data.dataset"])
        folder = Path(model.path) if model else self.at_hand
        chosen = as_rehearsed(telling_rows(dataset))
        run = run_file(
            spec=verdict.choices.spec(), facts=verdict.facts, dataset=dataset, model=folder, rows=dataset.usable_rows
        )
        scratch = self.scratch / "rehearsal"
        shutil.rmtree(scratch, ignore_errors=True)
        started = time.monotonic()
        try:
            document = ask(
                "rehearse", seconds=PATIENCE, fresh=True, model_folder=str(folder), run=run.model_dump(mode="json"),
                rows=chosen, scratch=str(scratch),
            )  # fmt: skip
        except Unanswered as failed:
            return replace(verdict, rehearsed=failed.reason, rehearsal=time.monotonic() - started)
        found = tuple(_finding(each) for each in document["findings"])
        seconds = time.monotonic() - started
        return replace(verdict, findings=verdict.findings + found, rehearsed=document["state"], rehearsal=seconds)

    def press(self, verdict: Verdict, finding: Finding, fix: int) -> Verdict:
        """The verdict after a fix was applied as its button does; what a rehearsal offers changes settings only."""
        if verdict.rehearsed:
            return self.ask(verdict.choices.changed(finding.fixes[fix].changes))
        same = [each for each in verdict.findings if (each.code, each.field) == (finding.code, finding.field)]
        index = sum(len(each.fixes) for each in same[: same.index(finding)]) + fix
        changed = apply_fix(verdict.choices, code=finding.code, index=index, field=finding.field, user=self.user)
        return self.ask(changed)

    @property
    def dataset(self) -> Dataset:
        return Dataset.objects.get(owner=self.user, name="rows")

    def folder_of(self, verdict: Verdict, model: Path) -> Path:
        """Where the model lies that would be trained; a fix may have chosen another than the case's."""
        return self.at_hand if verdict.choices.values.get("model.name") == AT_HAND else model

    def _forget(self) -> None:
        for dataset in Dataset.objects.all():
            dataset.path.unlink(missing_ok=True)
        Dataset.objects.all().delete()
        BaseModel.objects.filter(name=MODEL).delete()

    def _register(self, model: Path) -> Iterator[Finding]:
        """And look into it, however long that takes: no job is accepted before."""
        try:
            look_into(register(name=MODEL, source="local", path=str(model)))
        except Problem as problem:
            yield from problem.findings

    def _upload(self, case: Case) -> Iterator[Finding]:
        try:
            create_dataset(owner=self.user, name="rows", upload=SimpleUploadedFile("rows.jsonl", case.file))
        except Problem as problem:
            yield from problem.findings


def _finding(told: Mapping[str, Any]) -> Finding:
    fixes = tuple(Fix(fix["label"], dict(_as_read(fix["changes"]))) for fix in told["fixes"])
    return Finding(told["code"], Severity(told["severity"]), told["field"], told["message"], fixes)


def _as_read(changes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((path, tuple(value) if isinstance(value, list) else value) for path, value in changes.items())


def write_run(folder: Path, case: Case, verdict: Verdict, model: Path) -> dict[str, Any]:
    """The run folder of a case, as the worker writes it. Answers the values of settings that could not be read.

    For a job that is refused because of its rows all of them are written, as a trainer without a portal would get them.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    choices = verdict.choices if verdict.facts else read(nest(case.spec))
    dataset = Dataset.objects.filter(pk=choices.values.get("data.dataset")).first() if verdict.facts else None
    if dataset is None:
        (folder / "train.jsonl").write_bytes(case.file)
    else:
        lines = (
            _good(dataset)
            if choices.effective.get("data.bad_rows") == "drop" or not dataset.bad_rows
            else _all(dataset)
        )
        (folder / "train.jsonl").write_text("".join(lines), errors="surrogatepass")
    content = {
        "job": 1,
        "attempt": 1,
        "spec": {**choices.spec(), **_unknown(choices)},
        "model_path": str(model),
        "dataset_format": dataset.format if dataset else "text",
        "conversational": dataset.conversational if dataset else False,
        "rows": dataset.rows if dataset else 0,
        "facts": verdict.facts,
    }
    (folder / "run.json").write_text(json.dumps(content))
    return {path: _plain(value) for path, value, _ in choices.unreadable if path in SETTINGS}


def _unknown(choices: Choices) -> dict[str, Any]:
    """Keys that are no settings, with any value: theirs is only kept where a setting is near."""
    return {path: "given" if value is None else value for path, _, value in choices.unknown_keys}


def _plain(shown: str) -> Any:
    """A value as it was given, from how it is shown."""
    try:
        return json.loads(shown)
    except ValueError:
        return shown


def _good(dataset: Dataset) -> Iterator[str]:
    for row in dataset.good_rows():
        yield json.dumps(row, ensure_ascii=False) + "\n"


_WITH_TURNS = ("tools",)
"""Goes with conversations to whoever trains them, though no format asks for it."""


def _all(dataset: Dataset) -> Iterator[str]:
    trained = row_format(dataset.format, conversational=dataset.conversational).columns
    if dataset.conversational:
        trained = (*trained, *_WITH_TURNS)
    for _, raw in rows_of(dataset.path):
        text = raw.decode(errors="replace") or "{"  # what could not be cut out of the file cannot be read elsewhere
        try:
            row = json.loads(text)
        except ValueError:
            yield f"{text}\n"
            continue
        kept = {name: row[name] for name in trained if name in row} if trained and isinstance(row, dict) else row
        yield json.dumps(kept, ensure_ascii=False) + "\n"
