"""What the rulebook may know about a dataset."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from .conversions import conversions_from
from .models import Dataset
from .reading import REASONS
from .reading.tally import TOKENS_PER_ROW, TOKENS_PER_TURN

LINES_NAMED = 5


def dataset_facts(dataset_id: str, user: AbstractBaseUser | AnonymousUser) -> dict[str, Any]:
    """The facts of source `dataset`. Somebody else's dataset is not found, like one that does not exist."""
    dataset = _find(dataset_id, user)
    if dataset is None:
        return {"dataset_found": False}
    known = {"dataset_found": True, "dataset_status": dataset.status, "dataset_name": dataset.name}
    return known | _read_facts(dataset) if dataset.status == Dataset.Status.READY else known


def _find(dataset_id: str, user: AbstractBaseUser | AnonymousUser) -> Dataset | None:
    text = str(dataset_id)
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        return None
    return Dataset.objects.visible_to(user).filter(pk=int(text)).first()


def _read_facts(dataset: Dataset) -> dict[str, Any]:
    by_code = dataset.stats.get("bad_rows_by_code", {})
    reason = max(by_code, key=lambda code: by_code[code], default=None)
    return {
        "dataset_format": dataset.format,
        "dataset_columns": tuple(dataset.columns),
        "conversational": dataset.conversational,
        "convertible_to": tuple(str(each.to) for each in conversions_from(dataset)),
        "rows": dataset.rows,
        "bad_row_count": dataset.bad_rows,
        "bad_row_lines": tuple(problem["line"] for problem in dataset.problems[:LINES_NAMED]),
        "bad_row_reason": REASONS[reason] if reason else None,
        "equal_pairs": dataset.stats.get("equal_pairs", 0),
        "roles": tuple(sorted(dataset.stats.get("roles", {}))),
        "unalternating": dataset.stats.get("unalternating"),
        "row_shapes": dataset.stats.get("shapes"),
        "dataset_bytes": dataset.size_bytes,
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
