"""Rows of SFT to token ids and labels, by our own preparation: as TRL has them, or exactly the answers alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from jobs.preparation.answers import Way, way_of
from jobs.preparation.calls import with_calls_as_text
from jobs.preparation.plan import Plan
from jobs.preparation.prepare import Example, Failed, prepare
from jobs.preparation.rendering import Writer
from jobs.rulebook import Fix

from .decisions import Decision
from .failures import TrainingError, failure, template_refused
from .folder import LINE
from .run_file import RunFile

BATCH = 500
"""Rows that are tokenised at a time."""
_SIDES = ("prompt", "chosen", "rejected")
Columns = dict[str, list[Any]]


class RowFailed(Exception):
    """A row of which nothing can be made; `row` counts from 1, `line` is its line in the dataset, where known."""

    def __init__(self, failed: Failed, row: int, line: int | None) -> None:
        super().__init__(failed.words)
        self.failed, self.row, self.line = failed, row, line

    @property
    def where(self) -> str:
        return f"row {self.row}" if self.line is None else f"line {self.line}"


def tokenise(run: RunFile, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> Decision[Dataset]:
    """The rows with `input_ids` and `labels`, which TRL only cuts and packs, and which of their turns are learnt.

    Where nobody asked for answers only, a single row whose answers cannot be told exactly is enough to learn from
    every turn. Raises `TrainingError` for a row that the chat template refuses.
    """
    weighted = bool(run.facts.get("rows_with_weights"))
    plan = Plan.of(run.settings, run.dataset_format, conversational=run.conversational, weighted=weighted)
    if not plan.looks_for_answers:
        return Decision(_told(rows, tokenizer, plan, None))
    way = way_of(tokenizer)
    try:
        return Decision(_told(rows, tokenizer, plan, way), f"Only answers are learnt: {way.words}.")
    except RowFailed as inexact:
        if plan.answers_only:
            raise _not_exact(run, inexact) from inexact
        reason = f"Every turn is learnt, because answers cannot be told exactly in {inexact.where}: {inexact}."
        return Decision(_told(rows, tokenizer, plan.on_every_turn(), None), reason)


def as_template_takes_them(run: RunFile, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """Rows of DPO, which TRL renders itself: with the arguments of calls in a text where the template wants them so."""
    if not run.conversational or not Writer(tokenizer).wants_text(None):
        return rows
    return rows.map(
        lambda row: {name: with_calls_as_text(turns) for name, turns in row.items() if name in _SIDES and turns},
        new_fingerprint=uuid4().hex,
    )


def _told(rows: Dataset, tokenizer: PreTrainedTokenizerBase, plan: Plan, way: Way | None) -> Dataset:
    """Raises `RowFailed` only for a row whose answers cannot be told."""
    try:
        return rows.map(
            _batch(tokenizer, plan, way),
            batched=True,
            with_indices=True,
            batch_size=BATCH,
            remove_columns=[name for name in rows.column_names if name != LINE],
            new_fingerprint=uuid4().hex,  # else datasets reads the whole tokenizer to find one
        )
    except RowFailed as row:
        if row.failed.inexact:
            raise
        raise TrainingError(template_refused(str(row), row.row, row.line)) from row


def _batch(tokenizer: PreTrainedTokenizerBase, plan: Plan, way: Way | None) -> Callable[[Columns, list[int]], Columns]:
    def made(columns: Columns, numbers: list[int]) -> Columns:
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        examples = []
        for number, row, each in zip(numbers, rows, prepare(tokenizer, plan, rows, way), strict=True):
            if isinstance(each, Failed):
                raise RowFailed(each, number + 1, row.get(LINE))
            assert isinstance(each, Example)  # noqa: S101 - pairs are TRL's
            examples.append(each)
        return {"input_ids": [each.ids for each in examples], "labels": [each.labels for each in examples]}

    return made


def _not_exact(run: RunFile, row: RowFailed) -> TrainingError:
    asked = run.settings["data.assistant_only_loss"]
    why = "Training on answers only was asked for" if asked else "Some answers have weight 0 and are not to be learnt"
    message = (
        f"{why}, but in {row.where} answers cannot be told exactly from the rest: {row}. "
        f"Train on every turn, or choose a model whose chat template marks answers better than {run.model_name}'s."
    )
    fix = Fix("Train on every turn", {"data.assistant_only_loss": False})
    return failure("answers-not-exact", "data.assistant_only_loss", message, fix)
