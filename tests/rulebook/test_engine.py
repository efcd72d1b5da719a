"""The engine refuses rules that are written wrongly, and says what it could not ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobs.rulebook import RULES, Severity, check, read
from jobs.rulebook.engine import Broken, RuleError, broken, rule

from .world import World, spec


@pytest.fixture(autouse=True)
def _untouched_book() -> Iterator[None]:
    before = dict(RULES)
    yield
    RULES.clear()
    RULES.update(before)


def write(ask: Callable[..., Any], **changes: Any) -> None:
    """Register a rule on the LoRA rank, with some of its parts changed."""
    usual: dict[str, Any] = {
        "code": "test.rank", "severity": Severity.ERROR, "message": "{rank} is odd.", "breaks": {"lora_r": 3},
    }  # fmt: skip
    rule(**{**usual, **changes})(ask)


def odd(lora_r: int) -> Broken | None:
    """Odd ranks are odd."""
    return broken(rank=lora_r) if lora_r % 2 else None


def of_misspelt_fact(lora_rank: int) -> None:
    """Reads a fact that nobody knows."""


def without_reason(lora_r: int) -> None: ...


@pytest.mark.parametrize(
    ("ask", "changes", "complaint"),
    [
        (of_misspelt_fact, {}, "vocabulary"),
        (without_reason, {}, "reason"),
        (odd, {"breaks": {}}, "lacks"),
        (odd, {"breaks": {"lora_r": 3, "rank": 3}}, "vocabulary"),
        (odd, {"code": "lora.no-targets"}, "Two rules"),
        (odd, {"message": "{} is odd."}, "brace"),
    ],
)
def test_a_rule_that_is_written_wrongly_is_refused(ask: Any, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RuleError, match=complaint):
        write(ask, **changes)


def test_a_new_rule_is_asked() -> None:
    write(odd)
    assert [each.message for each in check({"lora_r": 17})] == ["17 is odd."]
    assert check({"lora_r": 18}).ok


def test_what_is_not_known_is_unasked_rather_than_fine() -> None:
    facts = World().known(read(spec()))
    report = check({**facts, "context_length": None})
    assert report.unasked["length.beyond-positions"] == ("context_length",)


def test_what_was_not_chosen_is_not_listed_as_unasked() -> None:
    assert "numbers.max-steps-limits" not in World().report(read(spec())).unasked


def test_checking_changes_nothing() -> None:
    facts = World().known(read(spec(**{"lora.target_modules": ["q_proj", "x"]})))
    before = repr(facts)
    check(facts)
    assert repr(facts) == before


def test_errors_come_before_warnings_and_warnings_before_advice() -> None:
    report = World().report(read(spec(**{
        "data.dataset": "bad rows", "data.bad_rows": "drop", "training.num_epochs": 30, "lora.r": 0,
    })))  # fmt: skip
    assert [finding.severity for finding in report] == ["error", "warning", "advice"]


def test_a_stored_report_asks_the_same_again() -> None:
    """Facts that went through JSON have lists for tuples."""
    facts = World().known(read(spec(**{"lora.target_modules": ["q_proj", "x"], "epochs": 3})))
    stored = {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()}
    assert [each.as_dict() for each in check(stored)] == [each.as_dict() for each in check(facts)]
