"""A dataset of its own to evaluate with can be read, fits the rows that are trained on, and shares none with them."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine import Broken, broken, rule
from ..findings import Severity
from ..fixes import clear, use
from ..words import count, names

PATH = "data.eval_dataset"
_WITHOUT = clear(PATH, "Evaluate without it")


@rule(
    code="evaluation.not-found",
    severity=Severity.ERROR,
    field=PATH,
    message="You have no dataset “{dataset}” to evaluate with. Choose one of yours, or leave it empty.",
    breaks={"eval_dataset": "17", "eval_found": False},
)
def not_found(eval_dataset: str, eval_found: bool) -> Broken | None:
    """It was deleted, it belongs to somebody else, or its number is mistyped."""
    return None if eval_found else broken(fix=_WITHOUT, dataset=eval_dataset)


@rule(
    code="evaluation.not-ready",
    severity=Severity.ERROR,
    field=PATH,
    message="“{name}”, which is to be evaluated with, {why}. Wait until it is ready, or choose another.",
    breaks={"eval_dataset": "17", "eval_status": "reading", "eval_name": "held-out.jsonl"},
)
def not_ready(eval_dataset: str, eval_status: str, eval_name: str) -> Broken | None:
    """Its rows are not known, so nobody can say whether they can be evaluated on."""
    if eval_status == "ready":
        return None
    why = "is still being read" if eval_status == "reading" else "could not be read; its page says why"
    return broken(fix=_WITHOUT, name=eval_name, why=why)


@rule(
    code="evaluation.empty",
    severity=Severity.ERROR,
    field=PATH,
    message="“{name}” has no good row to evaluate with. Choose another dataset, or leave it empty.",
    breaks={"eval_dataset": "17", "eval_rows": 3, "eval_bad_rows": 3, "eval_name": "held-out.jsonl"},
)
def empty(eval_dataset: str, eval_rows: int, eval_bad_rows: int, eval_name: str) -> Broken | None:
    """An evaluation of nothing ends the run with an error at its first evaluation."""
    return broken(fix=_WITHOUT, name=eval_name) if eval_rows <= eval_bad_rows else None


@rule(
    code="evaluation.other-format",
    severity=Severity.ERROR,
    field=PATH,
    message="“{name}” holds {other}, and the rows that are trained on are {own}. Convert one of them, so that both "
    "have the same format.",
    breaks={
        "eval_dataset": "17",
        "eval_kind": ("text", False),
        "eval_name": "held-out.jsonl",
        "dataset_format": "messages",
        "conversational": True,
    },
)
def other_format(
    eval_dataset: str, eval_kind: tuple[str, bool], eval_name: str, dataset_format: str, conversational: bool
) -> Broken | None:
    """Both are prepared in the same way; rows of another format stop the run, or are measured by another loss."""
    if "unknown" in (eval_kind[0], dataset_format) or tuple(eval_kind) == (dataset_format, conversational):
        return None
    return broken(fix=_WITHOUT, name=eval_name, other=_kind(*eval_kind), own=_kind(dataset_format, conversational))


def _kind(format: str, conversational: bool) -> str:
    words = {
        "messages": "chats",
        "text": "texts",
        "preference": "preferences",
        "prompt_completion": "prompts and completions",
    }
    lists = " as lists of messages" if conversational and format != "messages" else ""
    return f"{words.get(format, 'rows of an unknown format')}{lists}"


@rule(
    code="evaluation.two-sources",
    severity=Severity.ERROR,
    field="data.eval_fraction",
    message="Rows are to be held out, and there is a dataset of its own to evaluate with. Only one of them is used.",
    breaks={"eval_dataset": "17", "eval_fraction": 0.1},
)
def two_sources(eval_dataset: str, eval_fraction: float) -> Broken | None:
    """The held-out rows would be neither trained nor evaluated on."""
    if eval_fraction <= 0:
        return None
    fixes = (use("data.eval_fraction", 0.0, "Hold out none"), clear(PATH, "Evaluate on held-out rows"))
    return broken(fixes=fixes)


@rule(
    code="evaluation.rows-left-out",
    severity=Severity.ADVICE,
    field=PATH,
    message="{bad} of {rows} to evaluate with are left out, because they are bad. The page of “{name}” lists them.",
    breaks={"eval_dataset": "17", "eval_rows": 40, "eval_bad_rows": 3, "eval_name": "held-out.jsonl"},
)
def rows_left_out(eval_dataset: str, eval_rows: int, eval_bad_rows: int, eval_name: str) -> Broken | None:
    """Which rows the loss was measured on decides what it can be compared with."""
    if not 0 < eval_bad_rows < eval_rows:
        return None
    return broken(bad=eval_bad_rows, rows=count(eval_rows, "row"), name=eval_name)


@rule(
    code="evaluation.leak",
    severity=Severity.WARNING,
    field=PATH,
    message="Of {rows} to evaluate with, {same} also trained on{asked}{where}. The evaluation would look better than "
    "the model is. Leave them out of one of the two.",
    breaks={
        "eval_dataset": "17",
        "eval_same_rows": 4,
        "eval_same_questions": 6,
        "eval_rows": 40,
        "eval_bad_rows": 0,
        "eval_same_lines": (3, 8, 12),
    },
)
def leak(
    eval_dataset: str,
    eval_same_rows: int,
    eval_same_questions: int,
    eval_rows: int,
    eval_bad_rows: int,
    eval_same_lines: Sequence[int] = (),
) -> Broken | None:
    """A model that has seen an answer knows it by heart, and its loss on it says nothing about new ones."""
    if not (eval_same_rows or eval_same_questions):
        return None
    asked = f", and {eval_same_questions:,} ask a question that is" if eval_same_questions > eval_same_rows else ""
    lines = names([str(line) for line in eval_same_lines])
    return broken(
        rows=count(eval_rows - eval_bad_rows, "row"),
        same=f"{eval_same_rows:,} {'is' if eval_same_rows == 1 else 'are'}",
        asked=asked,
        where=f" (the first in {'line' if len(eval_same_lines) == 1 else 'lines'} {lines})" if lines else "",
    )
