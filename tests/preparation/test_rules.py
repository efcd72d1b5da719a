"""Rules on accounted rows: what they must accept, and the lengths that they offer."""

from __future__ import annotations

from typing import Any

import pytest

from datasets_app.accounting_facts import facts_of
from jobs.rulebook import RULES, check, read
from tests.rulebook.world import World, spec

SUMMARY: dict[str, Any] = {
    "rows": 812, "usable": 812, "cut": 0, "end_cut": 0, "dropped": 0, "masked": 0, "refused": 0, "equal": 0,
    "equal_cut": 0, "unknown": 0, "tokens": 90_000, "trained_tokens": 40_000, "unknown_tokens": 3, "inexact": "",
    "refusals": [], "first": {"refused": []}, "lengths": {"95": 90, "99": 140, "100": 230}, "packing": {},
    "histogram": [[115, 700], [230, 112]],
}  # fmt: skip


def told(**changes: Any) -> dict[str, Any]:
    """What is said about a good job whose rows came out like this, by code; facts of the job in `job`."""
    job = changes.pop("job", {})
    known = {**World().known(read(spec(**{"data.max_length": 128}))), **facts_of({**SUMMARY, **changes}), **job}
    return {finding.code: finding for finding in check(known) if finding.code.startswith(("prepared.", "answers."))}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"equal": 0, "unknown_tokens": 899},
        {"rows": 0, "usable": 0},
        {"job": {"assistant_only_loss": True}},
        {"job": {"assistant_only_loss": False, "conversational": False, "dataset_format": "text"}},
        {"job": {"completion_only_loss": True, "dataset_format": "prompt_completion"}},
        {"inexact": "row 4: …", "refused": 0, "job": {"assistant_only_loss": None}},
    ],
)
def test_nothing_is_said_about(changes: dict[str, Any]) -> None:
    assert told(**changes) == {}


def test_each_length_that_keeps_more_rows_is_offered_once() -> None:
    fixes = told(cut=9, end_cut=9, lengths={"95": 130, "99": 230, "100": 230})["prepared.cut"].fixes
    assert [fix.changes["data.max_length"] for fix in fixes] == [130, 230]
    assert fixes[1].label == "Keep 230 tokens (100 % of the rows whole)"


def test_no_length_is_offered_that_the_model_cannot_read() -> None:
    finding = told(cut=9, end_cut=0, lengths={"95": 130, "100": 9_000}, job={"context_length": 2048})["prepared.cut"]
    assert [fix.changes["data.max_length"] for fix in finding.fixes] == [130]
    assert "lose the end" not in finding.message


def test_where_no_length_keeps_rows_whole_all_that_the_model_reads_is_offered() -> None:
    whole_at = {"95": 8_000, "100": 9_000}
    finding = told(usable=0, dropped=812, lengths=whole_at, job={"context_length": 2048})["prepared.nothing-left"]
    assert [fix.changes for fix in finding.fixes] == [{"data.max_length": 2048}]
    read_whole = told(usable=0, dropped=812, lengths=whole_at, job={"context_length": 128})["prepared.nothing-left"]
    assert read_whole.fixes == ()


def test_rows_that_the_template_refuses_stop_the_job_with_its_words() -> None:
    refused = {"refused": 2, "refusals": [{"words": "No system turns"}], "first": {"refused": [3, 7]}}
    finding = told(**refused)["prepared.refused"]
    assert "refuses 2 rows (No system turns), first row 4 and 8 of those" in finding.message


def test_pairs_of_which_not_one_differs_are_an_error_and_some_a_warning() -> None:
    assert set(told(equal_cut=800, equal=12)) == {"prepared.all-pairs-equal"}
    assert set(told(equal_cut=800, equal=11)) == {"prepared.pairs-equal"}


def test_all_of_these_rules_were_looked_at() -> None:
    assert sum(code.startswith(("prepared.", "answers.")) for code in RULES) == 10
