"""What becomes of every row of a dataset with a model: asked for, done in the light queue, remembered.

The counting itself is `jobs/preparation`, done in the warm process; here it is asked for, kept and handed out.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django_q.tasks import async_task

from finetune_site.problems import Problem, new_reference, problem
from jobs.leases import lease
from jobs.rulebook.findings import Finding, Severity
from jobs.rulebook.steps import total_steps
from jobs.warm.client import Unanswered, ask
from models_catalog.cache import cache_state
from models_catalog.inspections import key_of
from models_catalog.models import BaseModel

from .models import Accounting, Dataset, Format

logger = logging.getLogger(__name__)

SECONDS = 1800.0
"""The longest an account may take: about a gigabyte of text on one core."""
AT_ONCE, AT_ONCE_SECONDS = 16_000_000, 60.0
"""Characters of a dataset whose rows are counted before a job is queued, in seconds. Larger ones wait to be asked."""
MEMORY = 6 * 1024**3
LONGEST_WAIT = timedelta(minutes=10)
"""After this long an account that no worker has taken up is put into the queue again when somebody asks for it."""
KEEP = timedelta(days=90)
"""Accounts are of use as long as dataset, model, libraries and code stay the same."""
PAUSE = 0.5
"""Seconds between two looks at how far it has come."""
NOTE_EVERY = 5000
"""Rows copied between two notes of it."""
WORDS = {
    "timeout": f"It was not done within {SECONDS / 60:.0f} minutes. Account for a part of the rows.",
    "memory": "It needed more memory than it is given.",
    "crashed": "The process that did it broke down. The model's tokenizer may be damaged.",
}


def plan_of(dataset: Dataset, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide what becomes of the rows (dotted names), without those that change nothing."""
    sft = spec.get("training.method", "sft") != "dpo"
    has_prompt = sft and dataset.format == Format.PROMPT_COMPLETION
    answers_only = spec.get("data.assistant_only_loss") if sft and dataset.conversational else None
    if answers_only is None and sft and dataset.stats.get("extras", {}).get("weights"):
        answers_only = True  # as the trainer does: nothing else leaves out an answer of weight 0
    return {
        "format": str(dataset.format),
        "conversational": dataset.conversational,
        "method": "sft" if sft else "dpo",
        "max_length": spec["data.max_length"],
        "answers_only": answers_only,
        "completion_only": spec.get("data.completion_only_loss") if has_prompt else None,
    }


def at_hand(
    dataset: Dataset, model: BaseModel, plan: Mapping[str, Any], revision: str | None = None
) -> Accounting | None:
    """The account of that question, however far it is; None when nobody has asked."""
    folder = cache_state(model, revision).described_in
    return Accounting.objects.filter(key=_key(dataset, folder, plan)).first() if folder else None


def account_for(dataset: Dataset, model: BaseModel, plan: Mapping[str, Any], revision: str | None = None) -> Accounting:
    """The account, begun unless somebody has; a failed one is tried again. Raises `Problem`."""
    found, is_new = _found_or_new(dataset, model, plan, revision)
    if is_new or _begin_again(found):
        transaction.on_commit(lambda: enqueue(found.pk))
    found.refresh_from_db()
    return found


def count_at_once(dataset: Dataset, model: BaseModel, plan: Mapping[str, Any], revision: str | None = None) -> bool:
    """Account for the rows of a dataset here and now, unless it is large. Returns whether the account is there.

    Takes seconds: not for a request. What stands in the way is no error, because nobody asked for the account.
    """
    if dataset.rows * dataset.stats.get("length", {}).get("average", 0) > AT_ONCE:
        return False
    try:
        found, _ = _found_or_new(dataset, model, plan, revision)
    except Problem:
        return False
    _begin_again(found)
    run(found.pk, seconds=AT_ONCE_SECONDS)
    return Accounting.objects.filter(pk=found.pk, state=Accounting.State.DONE).exists()


def _found_or_new(
    dataset: Dataset, model: BaseModel, plan: Mapping[str, Any], revision: str | None
) -> tuple[Accounting, bool]:
    folder = _folder_of(dataset, model, plan, revision)
    asked = {"dataset": dataset, "model": model, "revision": revision or "", "plan": dict(plan)}
    key = _key(dataset, folder, plan)
    try:
        with transaction.atomic():
            return Accounting.objects.get_or_create(key=key, defaults=asked)
    except IntegrityError:
        return Accounting.objects.get(key=key), False


def _folder_of(dataset: Dataset, model: BaseModel, plan: Mapping[str, Any], revision: str | None) -> Path:
    """The model's small files. Refuses what could not be accounted for."""
    if not dataset.is_trainable:
        message = f"“{dataset.name}” cannot be trained on as it is, so there is nothing to account for."
        raise problem("dataset", "accounting.no-rows", message, 409)
    if (plan["method"] == "dpo") != (dataset.format == Format.PREFERENCE):
        fits = "dpo" if dataset.format == Format.PREFERENCE else "sft"
        message = f"“{dataset.name}” has rows for the method {fits}; {plan['method']} was asked for. Choose {fits}."
        raise problem("method", "accounting.other-method", message)
    folder = cache_state(model, revision).described_in
    if folder is None:
        message = (
            f"The tokenizer of {model.name} is not here yet. Open the model's page, which fetches it; then ask again."
        )
        raise problem("model", "accounting.no-tokenizer", message, 409)
    return folder


def _key(dataset: Dataset, folder: Path, plan: Mapping[str, Any]) -> str:
    """Other rows can be read from the same bytes, by another mapping of columns: the statistics tell."""
    asked = [dataset.pk, dataset.sha256, dataset.layout, dataset.stats, key_of(folder), dict(plan)]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _begin_again(found: Accounting) -> bool:
    """One that failed, whose worker has died, or that no worker ever took up."""
    due, now = Accounting.objects.filter(pk=found.pk), timezone.now()
    failed = due.filter(state=Accounting.State.FAILED)
    left = due.filter(state=Accounting.State.RUNNING, lease_until__lt=now)
    untaken = due.filter(state=Accounting.State.WAITING, created_at__lt=now - LONGEST_WAIT)
    again = {"state": Accounting.State.WAITING, "error": None, "rows_done": 0, "lease_until": None, "created_at": now}
    return bool((failed | left | untaken).update(**again))


def enqueue(accounting_id: int) -> None:
    async_task("datasets_app.accounting.run", accounting_id, task_name=f"account {accounting_id}", save=False)


# The task


def run(accounting_id: int, seconds: float = SECONDS) -> None:
    """A task of the light queue. For an account that is taken or done this does nothing."""
    waiting = Accounting.objects.filter(pk=accounting_id, state=Accounting.State.WAITING)
    if not waiting.update(state=Accounting.State.RUNNING, lease_until=lease()):
        return
    row = Accounting.objects.select_related("dataset", "model").get(pk=accounting_id)
    try:
        summary = _counted(row, seconds)
    except Exception as error:
        _mine(row).update(state=Accounting.State.FAILED, error=_finding(error, row).as_dict())
    else:
        _mine(row).update(state=Accounting.State.DONE, summary=summary, rows_done=summary["rows"])


def _mine(row: Accounting) -> QuerySet[Accounting]:
    return Accounting.objects.filter(pk=row.pk, state=Accounting.State.RUNNING)


def _counted(row: Accounting, seconds: float) -> dict[str, Any]:
    """Copy the rows to where the helper process may read them, and have it count them."""
    folder = cache_state(row.model, row.revision or None).described_in
    if folder is None:
        raise problem("model", "accounting.no-tokenizer", f"The tokenizer of {row.model.name} is no longer here.")
    with TemporaryDirectory(prefix="account-", dir=settings.DATASETS_DIR) as scratch:
        rows, table, progress = (Path(scratch) / name for name in ("rows.jsonl", "table.npz", "progress"))
        _copy(row, rows)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(
                ask, "account", seconds=seconds, memory=MEMORY, fresh=True,
                model_folder=str(folder), rows_file=str(rows), plan=row.plan, arrays=str(table), progress=str(progress),
            )  # fmt: skip
            while not asked.done():
                _note(row, _read(progress))
                wait([asked], timeout=PAUSE)
            summary = asked.result()
        table.replace(row.path)
    return summary


def _copy(row: Accounting, path: Path) -> None:
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        for number, each in enumerate(row.dataset.good_rows(), 1):
            file.write(encode(each) + b"\n")
            if number % NOTE_EVERY == 0:
                _note(row, 0)


def _note(row: Accounting, rows: int) -> None:
    _mine(row).update(rows_done=rows, lease_until=lease())


def _read(progress: Path) -> int:
    try:
        return int(progress.read_text() or 0)
    except (OSError, ValueError):
        return 0


def _finding(error: Exception, row: Accounting) -> Finding:
    if isinstance(error, Problem) and error.findings:
        return error.findings[0]
    if isinstance(error, Unanswered):
        logger.warning("Account %s broke down (%s): %s\n%s", row.pk, error.reason, error, error.log)
        return Finding("accounting.failed", Severity.ERROR, None, WORDS.get(error.reason, str(error)))
    reference = new_reference()
    logger.error("Unexpected error in account %s, reference %s", row.pk, reference, exc_info=error)
    message = f"The rows could not be accounted for because of an error on our side; the log has it under {reference}."
    return Finding("accounting.failed", Severity.ERROR, None, message)


# What follows from it


def steps_of(account: Accounting, spec: Mapping[str, Any]) -> int | None:
    """Optimizer steps with the rows that are left, packed ones too."""
    summary = account.summary or {}
    packing = spec["data.packing"] and summary.get("packing")
    rows = summary["packing"]["sequences"] if packing else summary.get("usable", 0)
    return total_steps(
        rows,
        spec["data.eval_fraction"],
        spec["training.batch_size"],
        spec["training.gradient_accumulation"],
        spec["training.num_epochs"],
        spec["training.max_steps"],
        num_processes=spec["training.num_processes"],
    )


def forget_old() -> None:
    """Accounts that have had their time, and what a worker that was killed has left."""
    for account in Accounting.objects.filter(created_at__lt=timezone.now() - KEEP):
        account.delete()
    for folder in Path(settings.DATASETS_DIR).glob("account-*"):
        if folder.stat().st_mtime < time.time() - 2 * SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
