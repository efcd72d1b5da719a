"""Rehearses what somebody wants to train: model and rows are looked into, the real trainer is tried.

The same question is asked once: its answer is kept, and whoever asks meanwhile waits for it.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone

from datasets_app.accounting import count_at_once, plan_of
from datasets_app.models import Dataset, TellingRows
from datasets_app.reading import storable
from datasets_app.telling_rows import as_rehearsed, telling_rows
from finetune_site.problems import Problem, new_reference
from models_catalog import catalogue
from models_catalog.looks import look_into

from .leases import Kept, lease
from .models import Job, Rehearsal
from .rehearsed import folder_of, key_of, unrehearsed
from .review import Review, review
from .rulebook import Choices
from .run_inputs import run_file
from .warm.client import Unanswered, ask

logger = logging.getLogger(__name__)

SECONDS = 180.0
"""The longest a rehearsal may take, once the libraries are imported. Most take a few."""
MEMORY = 8 * 1024**3
PAUSE = 0.2
"""Seconds between two looks at a rehearsal that somebody else is at."""
NO_FILES = "The files that describe the model (config.json, tokenizer) are not here, so no stand-in can be made."
WORDS = {
    "timeout": "It was not finished within {seconds:.0f} s.",
    "memory": "It needed more memory than {memory:.0f} GB.",
    "crashed": "The process that did it broke down.",
}


def rehearse(choices: Choices, user: User, *, job: Job | None = None) -> Review:
    """Look into the model and the rows, ask the rulebook with all that is then known, and rehearse what it lets pass.

    The answer has a rehearsal unless a rule stands against it. Takes seconds: not for a request.
    """
    _look_into(choices)
    asked = review(choices, user=user, job=job)
    if asked.report.ok and not asked.rehearsal and count_rows(asked, user):
        asked = review(choices, user=user, job=job)
    if not asked.report.ok or asked.rehearsal:
        return asked
    return asked.with_rehearsal(_rehearse(asked, user))


def count_rows(asked: Review, user: User) -> bool:
    """A rehearsal sees a few rows; here all of them are tokenised. Returns whether more is known now."""
    model = catalogue.find(asked.facts["model"])
    if model is None or "rows_accounted" in asked.facts:
        return False
    dataset, chosen = Dataset.objects.visible_to(user).get(pk=asked.facts["dataset"]), asked.choices.effective
    return count_at_once(dataset, model, plan_of(dataset, chosen), chosen.get("model.revision"))


def not_rehearsed(reason: str, *, reference: str = "", log: str = "") -> Rehearsal:
    """A rehearsal that did not take place for a reason that says nothing about the next time."""
    return Rehearsal.objects.create(document=unrehearsed(reason, reference=reference, log=log))


def _look_into(choices: Choices) -> None:
    """What it tells, the review reads; that it cannot be done, a rule says."""
    model = catalogue.find(choices.values.get("model.name", ""))
    try:
        if model is not None:
            look_into(model, choices.values.get("model.revision"))
    except (Problem, Unanswered) as failed:
        logger.info("%s was not looked into before its rehearsal: %s", model, failed)


def _rehearse(asked: Review, user: User) -> Rehearsal:
    folder = folder_of(asked.choices)
    if folder is None:
        return not_rehearsed(NO_FILES)
    dataset = Dataset.objects.visible_to(user).get(pk=asked.facts["dataset"])
    rows = telling_rows(dataset)
    rehearsal, ours = _begun_or_done(key_of(asked.choices, dataset, rows, folder))
    return _carry_out(rehearsal, asked, dataset, rows, folder) if ours else rehearsal


def _begun_or_done(key: str) -> tuple[Rehearsal, bool]:
    """The rehearsal of that question, and whether we have to do it. Waits while somebody else is at it."""
    rehearsal, is_new = Rehearsal.objects.get_or_create(key=key, defaults={"lease_until": lease()})
    while not (is_new or rehearsal.document):
        if _unfinished(rehearsal).filter(lease_until__lt=timezone.now()).update(lease_until=lease()):
            return rehearsal, True  # whoever was at it has died
        time.sleep(PAUSE)
        rehearsal.refresh_from_db()
    return rehearsal, is_new


def _unfinished(rehearsal: Rehearsal) -> QuerySet[Rehearsal]:
    return Rehearsal.objects.filter(pk=rehearsal.pk, document__isnull=True)


def _carry_out(rehearsal: Rehearsal, asked: Review, dataset: Dataset, rows: TellingRows, folder: Path) -> Rehearsal:
    """Do it and write it down. What an accident stopped is not remembered: next time it may go well."""
    began = time.monotonic()
    with Kept(_unfinished(rehearsal)):
        document = _asked(asked, dataset, as_rehearsed(rows), folder)
    known = {} if document["reference"] or document.pop("accident", False) else {"key": rehearsal.key}
    Rehearsal.objects.filter(pk=rehearsal.pk).update(
        **{"key": "", **known}, document=_storable(document), seconds=round(time.monotonic() - began, 3)
    )
    rehearsal.refresh_from_db()
    return rehearsal


def _asked(asked: Review, dataset: Dataset, rows: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """The document that the warm process answers with, or one that says why there is none."""
    told = run_file(
        spec=asked.choices.spec(), facts=asked.plain_facts(), dataset=dataset, model=folder, rows=len(rows)
    )  # fmt: skip
    try:
        with TemporaryDirectory(prefix="rehearsal-", dir=settings.RUNS_DIR) as scratch:
            return ask(
                "rehearse",
                seconds=SECONDS,
                memory=MEMORY,
                fresh=True,
                model_folder=str(folder),
                run=told.model_dump(),
                rows=rows,
                scratch=scratch,
            )
    except Unanswered as failed:
        logger.warning("A rehearsal broke down (%s): %s\n%s", failed.reason, failed, failed.log)
        return {**unrehearsed(_words(failed), log=failed.log), "accident": True}
    except Exception as error:
        reference = new_reference()
        logger.error("Unexpected error %s in a rehearsal", reference, exc_info=error)
        return dict(unrehearsed("Something went wrong on our side; the log has the rest.", reference=reference))


def _words(failed: Unanswered) -> str:
    return WORDS.get(failed.reason, str(failed)).format(seconds=SECONDS, memory=MEMORY / 1024**3)


def _storable(value: Any) -> Any:
    """The same without NUL and halves of characters, which no database keeps."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(name): _storable(each) for name, each in value.items()}
    return [_storable(each) for each in value] if isinstance(value, list) else value
