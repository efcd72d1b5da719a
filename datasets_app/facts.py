"""What the rulebook may know about a dataset."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from .conversions import conversions_from
from .local_files import notice_change
from .models import Dataset, Format
from .reading import REASONS
from .reading.layouts import columns_read
from .reading.tally import TOKENS_PER_ROW, TOKENS_PER_TURN
from .splits import overlap
from .survey import advice_on

LINES_NAMED = 5


def dataset_facts(dataset_id: str, user: AbstractBaseUser | AnonymousUser) -> dict[str, Any]:
    """The facts of source `dataset`. Somebody else's dataset is not found, like one that does not exist."""
    dataset = _find(dataset_id, user)
    if dataset is None:
        return {"dataset_found": False}
    known = {"dataset_found": True, "dataset_status": dataset.status, "dataset_name": dataset.name}
    return known | _read_facts(dataset) if dataset.status == Dataset.Status.READY else known


def evaluation_facts(dataset_id: str, trained_on: str | None, user: AbstractBaseUser | AnonymousUser) -> dict[str, Any]:
    """The facts about a dataset to evaluate with, and what it has in common with the one that is trained on."""
    dataset, training = _find(dataset_id, user), _find(trained_on or "", user)
    if dataset is None:
        return {"eval_found": False}
    known = {"eval_found": True, "eval_status": dataset.status, "eval_name": dataset.name}
    if dataset.status != Dataset.Status.READY:
        return known
    kind = (dataset.format, dataset.conversational)
    known |= {"eval_kind": kind, "eval_rows": dataset.rows, "eval_bad_rows": dataset.bad_rows}
    if training is None or training.status != Dataset.Status.READY:
        return known
    return known | _overlap_facts(training, dataset)


def _overlap_facts(training: Dataset, evaluation: Dataset) -> dict[str, Any]:
    """Nothing is known of large files until a task has compared them."""
    found = overlap(training, evaluation)
    if found is None:
        return {}
    return {
        "eval_same_rows": found.same_rows,
        "eval_same_questions": found.same_questions,
        "eval_same_lines": found.lines,
    }


def _find(dataset_id: str, user: AbstractBaseUser | AnonymousUser) -> Dataset | None:
    text = str(dataset_id)
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        return None
    found = Dataset.objects.visible_to(user).filter(pk=int(text)).first()
    return found and notice_change(found)


def _read_facts(dataset: Dataset) -> dict[str, Any]:
    by_code = dataset.stats.get("bad_rows_by_code", {})
    extras = dataset.stats.get("extras", {})
    reason = max(by_code, key=lambda code: by_code[code], default=None)
    return {
        "dataset_format": dataset.format,
        "dataset_layout": dataset.layout or dataset.format,
        "dataset_columns": tuple(dataset.columns),
        "columns_read": columns_read(dataset.layout or dataset.format, dataset.columns),
        "conversational": dataset.conversational,
        "convertible_to": tuple(each.to for each in conversions_from(dataset) if each.to in Format.values),
        "rows": dataset.rows,
        "bad_row_count": dataset.bad_rows,
        "bad_row_lines": tuple(problem["line"] for problem in dataset.problems[:LINES_NAMED]),
        "bad_row_reason": REASONS[reason] if reason else None,
        "equal_pairs": dataset.stats.get("equal_pairs", 0),
        "roles": tuple(sorted(dataset.stats.get("roles", {}))),
        "unalternating": dataset.stats.get("unalternating"),
        "row_shapes": dataset.stats.get("shapes"),
        "rows_with_tools": extras.get("tools", 0),
        "rows_with_calls": extras.get("tool_calls", 0),
        "rows_with_weights": extras.get("weights", 0),
        "rows_with_reasoning": extras.get("reasoning", 0),
        "dataset_bytes": dataset.size_bytes,
        "content_advice": advice_on(dataset),
        "average_tokens": average_tokens(dataset.stats),
        "token_ceiling": dataset.stats.get("token_ceiling"),
    }


BYTES_A_TOKEN = 4
"""Of English; scripts with more bytes to a letter have fewer letters to a token."""
TOKENS_AROUND_A_TURN = 5
"""What chat templates write around one: a start, the role, a new line, an end, a new line."""


def average_tokens(stats: dict[str, Any]) -> int | None:
    """About how many tokens a row has. Letters are as wide in bytes as those of the row with most of them."""
    length, turns = stats.get("length"), stats.get("turns", {"average": 0, "most": 0})
    if not length or not length["longest"] or not stats.get("token_ceiling"):
        return None
    most = turns["most"] * TOKENS_PER_TURN + TOKENS_PER_ROW
    width = min(4.0, max(1.0, (stats["token_ceiling"] - most) / length["longest"]))
    return max(1, int(length["average"] * width / BYTES_A_TOKEN + turns["average"] * TOKENS_AROUND_A_TURN))
