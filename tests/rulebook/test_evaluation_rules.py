"""What is said about a dataset of its own to evaluate with, and that nothing is said about one that fits."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.rulebook import check

FITTING = {
    "dataset": "1", "eval_dataset": "2", "eval_fraction": 0.0, "eval_found": True, "eval_status": "ready",
    "eval_name": "held out", "eval_kind": ("messages", True), "eval_rows": 40, "eval_bad_rows": 0, "eval_same_rows": 0,
    "eval_same_questions": 0, "eval_same_lines": (), "dataset_format": "messages", "conversational": True,
    "early_stopping_patience": 3, "eval_steps": 5,
}  # fmt: skip


def said(**changes: Any) -> dict[str, str]:
    report = check({**FITTING, **changes})
    return {each.code: each.message for each in report if each.code.startswith(("evaluation.", "schedule.e"))}


def test_a_dataset_that_fits_gives_early_stopping_something_to_go_by() -> None:
    assert said() == {}
    assert "schedule.early-stopping-unevaluated" in said(eval_dataset=None)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"eval_found": False}, "not-found", "You have no dataset “2”"),
        ({"eval_status": "reading"}, "not-ready", "is still being read"),
        ({"eval_status": "failed"}, "not-ready", "could not be read"),
        ({"eval_rows": 3, "eval_bad_rows": 3}, "empty", "“held out” has no good row"),
        ({"eval_kind": ("text", False)}, "other-format", "holds texts, and the rows that are trained on are chats"),
        (
            {"eval_kind": ("preference", True), "dataset_format": "preference", "conversational": False},
            "other-format",
            "holds preferences as lists of messages, and the rows that are trained on are preferences.",
        ),
        ({"eval_fraction": 0.1}, "two-sources", "Only one of them is used"),
        ({"eval_bad_rows": 4}, "rows-left-out", "4 of 40 rows to evaluate with are left out"),
        (
            {"eval_same_rows": 1, "eval_same_questions": 3, "eval_same_lines": (4, 9)},
            "leak",
            "1 is also trained on, and 3 ask a question that is (the first in lines 4 and 9)",
        ),
        ({"eval_same_rows": 2, "eval_same_questions": 2}, "leak", "2 are also trained on. The evaluation"),
    ],
)
def test_one_that_does_not_fit_is_told_and_why(changes: dict[str, Any], code: str, words: str) -> None:
    found = said(**changes)
    assert list(found) == [f"evaluation.{code}"]
    assert words in found[f"evaluation.{code}"]


def test_kinds_read_back_from_json_are_the_same() -> None:
    assert said(eval_kind=["messages", True]) == {}
