"""The one door to the rulebook from Django: gather what is known about a job, ask, and apply offered fixes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

from datasets_app.accounting_facts import accounting_facts
from datasets_app.conversions import convert_dataset
from datasets_app.facts import dataset_facts, evaluation_facts
from datasets_app.models import Dataset
from models_catalog import catalogue
from models_catalog.downloads import start_download

from .earlier import earlier_facts
from .history import history_facts
from .machine import machine_facts
from .models import Job, Rehearsal
from .rehearsed import findings_of, remembered
from .rulebook import Action, Choices, Fix, Report, check, read
from .rulebook.estimate import Estimate, estimate
from .rulebook.settings_table import SETTINGS
from .rulebook.vocabulary import FACTS, Source

TARGETS = "lora.target_modules"
CHECKPOINTING = "training.gradient_checkpointing"


class NoSuchFix(LookupError):
    """The report, as it is now, does not offer the fix that was asked for."""


@dataclass(frozen=True)
class Review:
    """One report with everything it was made from. `choices` have filled in what suits the model.

    `rehearsal` is a finished one of the same job, if there is one; the report holds its findings too.
    """

    choices: Choices
    facts: Mapping[str, Any]
    report: Report
    estimate: Estimate
    rehearsal: Rehearsal | None = None

    def as_dict(self) -> dict[str, Any]:
        """The answer of a check, as in the public contract, with the settings that would be used."""
        return {
            **self.report.as_dict(),
            "estimate": self.estimate.as_dict(),
            "spec": self.choices.spec(),
            "rehearsal": self.rehearsal.document if self.rehearsal else None,
        }

    @property
    def not_rehearsed(self) -> Rehearsal | None:
        """The rehearsal, if it did not take place."""
        return self.rehearsal if self.rehearsal and self.rehearsal.state == "not_rehearsed" else None

    def with_rehearsal(self, rehearsal: Rehearsal) -> Review:
        """This review after a rehearsal. What the rules had found already is not said twice."""
        said = {(finding.code, finding.field) for finding in self.report}
        found = (finding for finding in findings_of(rehearsal) if (finding.code, finding.field) not in said)
        return replace(self, report=self.report.with_findings(found), rehearsal=rehearsal)

    def imagine(self, *sources: Source, **choices: Any) -> Report:
        """What the rulebook would say to other choices, asked with the facts of some sources only."""
        asked = {Source.CHOICES, *sources}
        known = {name: value for name, value in self.facts.items() if FACTS[name].source in asked}
        return check(known | choices)

    def plain_facts(self) -> dict[str, Any]:
        """The facts as JSON can hold them."""
        plain: dict[str, Any] = json.loads(json.dumps(dict(self.facts), default=sorted))
        return plain


def review(choices: Choices, *, user: User | None, job: Job | None = None) -> Review:
    """Ask the rulebook about some choices of `user`, on the machine this process runs on.

    With `job`, the choices are those of a job that was submitted: it is not counted against itself. Without a
    user no dataset is found, and nothing is known about the account, which the report says.
    """
    choices = _with_catalogue_name(choices)
    facts = _gather(choices, user, job)
    filled = _with_targets(_with_checkpointing(choices, facts), facts)
    facts |= filled.facts() | {"given": facts["given"]}
    report = check(facts)
    asked = Review(filled, facts, report, estimate(_sound(facts, report)))
    rehearsal = remembered(filled, user) if user and report.ok else None
    return asked.with_rehearsal(rehearsal) if rehearsal else asked


def counted_now(asked: Review, user: User) -> Review:
    """The same review with the jobs of `user` counted anew. Asks the database and nothing else."""
    account = _account_facts(user, None)
    if all(asked.facts.get(name) == value for name, value in account.items()):
        return asked
    facts = {**asked.facts, **account}
    report = check(facts)
    counted = replace(asked, facts=facts, report=report, rehearsal=None)
    return counted.with_rehearsal(asked.rehearsal) if asked.rehearsal and report.ok else counted


def review_job(job: Job) -> Review:
    """Ask again about a job that was submitted, with everything as it is today."""
    return review(read(job.spec), user=job.owner, job=job)


def choices_of(job: Job) -> Choices:
    """What the author of a job chose, without what was filled in from defaults and recommendations."""
    given = _given(job)
    values = read(job.spec).values
    return Choices({path: value for path, value in values.items() if SETTINGS[path].fact in given})


def apply_fix(choices: Choices, *, code: str, index: int = 0, field: str | None = None, user: User) -> Choices:
    """Apply a fix that the report offers now: its changes, and its action if it has one.

    `index` counts the fixes of all findings with this code, in the order of the report; `field` narrows them
    to one field. Raises NoSuchFix when the report no longer offers it.
    """
    findings = [each for each in review(choices, user=user).report if each.code == code]
    offered = [fix for each in findings if field in (None, each.field) for fix in each.fixes]
    if not 0 <= index < len(offered):
        raise NoSuchFix(code)
    return _applied(choices, offered[index], user)


def _given(job: Job) -> tuple[str, ...]:
    """Facts of the settings its author gave; its stored specification holds all of them."""
    return tuple(job.facts.get("given", ()))


def _with_catalogue_name(choices: Choices) -> Choices:
    """The whole name of a model that was named in short, so that the job keeps its meaning when others join."""
    given = choices.values.get("model.name")
    model = catalogue.find(given) if given else None
    return choices.changed({"model.name": model.name}) if model and model.name != given else choices


def _gather(choices: Choices, user: User | None, job: Job | None) -> dict[str, Any]:
    facts = choices.facts() | machine_facts() | history_facts()
    if job is not None:
        facts["given"] = _given(job)
    if name := facts.get("model"):
        facts |= catalogue.model_facts(name, facts.get("revision"), look=True)
    if user is not None:
        facts |= _account_facts(user, job)
    if dataset := facts.get("dataset"):
        facts |= dataset_facts(dataset, user) if user else {"dataset_found": False}
    if user is not None and dataset and name and facts.get("dataset_status") == "ready":
        facts |= accounting_facts(dataset, name, choices.effective, user)
    if evaluation := facts.get("eval_dataset"):
        facts |= evaluation_facts(evaluation, facts.get("dataset"), user) if user else {"eval_found": False}
    if start := facts.get("start_from"):
        facts |= earlier_facts(start, user) if user else {"start_found": False}
    return facts


def _account_facts(user: User, job: Job | None) -> dict[str, Any]:
    """A submitted job stands in line behind the earlier ones only, so it counts no later ones either."""
    others = Job.objects.active().filter(owner=user)
    earlier = others.filter(pk__lt=job.pk) if job else others
    limits = settings.ENVIRONMENT
    return {
        "active_jobs": earlier.count(),
        "active_jobs_limit": limits.max_active_jobs,
        "gpus_limit": limits.max_gpus_per_user,
    }


def _with_checkpointing(choices: Choices, facts: Mapping[str, Any]) -> Choices:
    """No gradient checkpointing where the architecture has none and nobody asked for it."""
    unread = any(path == CHECKPOINTING for path, _, _ in choices.unreadable)
    if unread or CHECKPOINTING in choices.values or facts.get("supports_checkpointing", True):
        return choices
    return choices.changed({CHECKPOINTING: False})


def _with_targets(choices: Choices, facts: Mapping[str, Any]) -> Choices:
    """Recommended LoRA targets where none were given, so that what is checked is what will be trained."""
    targets = facts.get("lora_targets")
    unread = any(path == TARGETS for path, _, _ in choices.unreadable)
    if not targets or unread or choices.values.get(TARGETS) is not None or not facts.get("lora_enabled"):
        return choices
    return choices.changed({TARGETS: tuple(targets)})


def _sound(facts: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Facts that no error is about: arithmetic on a wrong number tells nobody anything."""
    about = (SETTINGS.get(finding.field or "") for finding in report.errors)
    wrong = {setting.fact for setting in about if setting}
    return {name: value for name, value in facts.items() if name not in wrong}


def _applied(choices: Choices, fix: Fix, user: User) -> Choices:
    follows = _run(fix.action, choices, user) if fix.action else {}
    return choices.changed({**fix.changes, **follows})


def _run(action: Action, choices: Choices, user: User) -> dict[str, Any]:
    """Do what a fix needs beyond settings; answers with the settings that follow from it."""
    if action.name == "convert-dataset":
        dataset = Dataset.objects.visible_to(user).get(pk=choices.values["data.dataset"])
        converted = convert_dataset(dataset=dataset, to=action.arguments["to"])
        return {"data.dataset": str(converted.pk)}
    model = catalogue.find(action.arguments["model"])
    if model is not None:
        start_download(model=model, revision=choices.values.get("model.revision"), by=user)
    return {}
