"""The rule table is the documentation, and cannot fall behind."""

from __future__ import annotations

from pathlib import Path

from jobs.rulebook import RULES
from jobs.rulebook.__main__ import rules_by_subject, text

DOCUMENT = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_document_equals_the_rules() -> None:
    assert DOCUMENT.read_text() == text(), "run `python -m jobs.rulebook > docs/rules.md`"


def test_every_rule_stands_under_one_subject() -> None:
    listed = [rule.code for rules in rules_by_subject().values() for rule in rules]
    assert sorted(listed) == sorted(RULES)
