"""What holds for every rule, and how many were looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from jobs.rulebook import RULES, SETTINGS, Fix, Severity, check, read
from jobs.rulebook.engine import Rule
from jobs.rulebook.vocabulary import FACTS, Source

from .world import MODELS, SMOL, World, converted, spec

FEWEST_RULES, FEWEST_FIXES = 104, 76
MEASURED = {code for code in RULES if code.startswith(("measured.", "prepared."))}


def broken_facts(rule: Rule) -> dict[str, Any]:
    """The facts of a good job, except where the rule's example says otherwise."""
    facts = {**World().known(read(spec())), **rule.breaks}
    if rule.code.startswith("required."):
        del facts[SETTINGS[str(rule.field)].fact]
    return facts


def pressed(facts: Mapping[str, Any], fix: Fix) -> dict[str, Any]:
    """The facts after a fix: settings changed, another model's facts, a converted dataset, a model at hand.

    What was measured before says nothing about a changed job.
    """
    after = {name: value for name, value in facts.items() if FACTS[name].source is not Source.MEASURED}
    for path, value in fix.changes.items():
        after["unreadable"] = tuple(each for each in after["unreadable"] if each[0] != path)
        after["unknown_keys"] = tuple(each for each in after["unknown_keys"] if each[0] != path)
        if path in SETTINGS:
            after[SETTINGS[path].fact] = SETTINGS[path].default if value is None else value
    after |= MODELS.get(fix.changes.get("model.name", ""), {})
    if fix.action and fix.action.name == "convert-dataset":
        after |= converted(facts, fix.action.arguments["to"])
    elif fix.action:
        after["model_cache"] = "cached"
    if after.get("target_modules") is None:
        after["target_modules"] = after.get("lora_targets")
    return after


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_its_example_breaks_it_with_a_finished_message(rule: Rule) -> None:
    findings = [finding for finding in check(broken_facts(rule)) if finding.code == rule.code]
    assert findings
    for finding in findings:
        assert "{" not in finding.message
        assert "None" not in finding.message.replace("None of", "")
        assert finding.message.endswith((".", ")"))
        assert "  " not in finding.message
        json.dumps(finding.as_dict(), allow_nan=False)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_each_of_its_fixes_cures_it_and_breaks_nothing_else(rule: Rule) -> None:
    facts = broken_facts(rule)
    before = check(facts)
    for fix in (fix for finding in before if finding.code == rule.code for fix in finding.fixes):
        after = check(pressed(facts, fix))
        assert rule.code not in {finding.code for finding in after}, fix
        assert {each.code for each in after.errors} <= {each.code for each in before.errors}, fix


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_it_gives_a_reason_and_accepts_a_good_job(rule: Rule) -> None:
    assert len(rule.why) > 20
    assert rule.why[-1] in ".?"
    assert rule.code not in {finding.code for finding in World().report(read(spec()))}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_an_error_names_the_field_it_is_about(rule: Rule) -> None:
    about_no_choice = rule.code.startswith(("account.", "machine."))
    for finding in rule.findings(rule.breaks):
        assert finding.field or about_no_choice


def test_the_sweep_saw_every_rule_and_most_have_a_fix() -> None:
    fixable = [rule for rule in RULES.values() if rule.findings(rule.breaks)[0].fixes]
    assert len(RULES) >= FEWEST_RULES
    assert len(fixable) >= FEWEST_FIXES
    assert {rule.severity for rule in RULES.values()} == set(Severity)


def test_the_shipped_defaults_give_no_finding_at_all() -> None:
    assert World().report(read(spec())).findings == ()


def test_no_rule_is_left_unasked_before_the_run_except_those_that_need_it() -> None:
    assert set(World().report(read(spec())).unasked) == MEASURED


def test_another_model_is_offered_with_its_own_targets() -> None:
    finding = RULES["strategy.no-chat-template"].findings(
        {"strategy": "chat", "supports_chat": False, "model": "gpt2", "conversational": True, "chat_model": SMOL}
    )[0]
    assert finding.fix is not None
    assert finding.fix.changes["lora.target_modules"] is None
