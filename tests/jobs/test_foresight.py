"""A failure says which check looks for its cause, and why that did not stop the job."""

from __future__ import annotations

import pytest

from jobs.foresight import CAUGHT_BY, foresight
from jobs.models import Job
from jobs.rulebook import RULES
from jobs.rulebook.vocabulary import FACTS
from jobs.trainer.known_errors import KNOWN


def failed(code, facts=None, findings=()):
    return Job(state="failed", error={"code": code, "message": "…"}, facts=facts or {}, findings=list(findings))


def facts_of(code):
    return {name: RULES[code].breaks[name] for name in RULES[code].needs}


@pytest.mark.parametrize("code", CAUGHT_BY)
def test_every_check_that_is_named_exists(code):
    assert set(CAUGHT_BY[code]) <= RULES.keys()


def test_errors_about_lora_targets_all_have_a_check():
    codes = {f"trainer.{known.code}" for known in KNOWN if known.field == "lora.target_modules"}
    assert len(codes) > 5 and codes <= CAUGHT_BY.keys()


def test_a_check_that_could_not_be_asked_says_what_was_not_known():
    facts = facts_of("memory.too-large") | {"parameters": None}
    assert foresight(failed("trainer.out-of-memory", facts)) == (
        "The check memory.too-large would have caught this, but could not be asked before the start. It was not "
        f"known: {FACTS['parameters'].meaning}."
    )


def test_a_check_that_warned_is_quoted():
    warning = {"code": "memory.too-large", "message": "It needs 30 GB."}
    said = foresight(failed("trainer.out-of-memory", facts_of("memory.too-large"), [warning]))
    assert said == "The check memory.too-large warned of this before the start: It needs 30 GB."


def test_a_check_that_found_nothing_says_so():
    said = foresight(failed("trainer.disk-full", facts_of("disk.run-too-large")))
    assert "disk.run-too-large looks for this before a job starts, and found nothing then" in said


def test_a_check_about_a_setting_that_was_not_chosen_is_not_named():
    facts = {name: value for name, value in facts_of("lora.unfit-target").items() if name != "target_modules"}
    assert foresight(failed("trainer.target-unfit", facts)) == ""


def test_a_job_refused_at_its_start_says_that_something_has_changed():
    said = foresight(failed("cache.not-cached", facts_of("cache.not-cached")))
    assert "cache.not-cached looks for this" in said and "changed since" in said


@pytest.mark.parametrize("code", ["trainer.unexpected", "run.killed", ""])
def test_where_no_check_knows_the_cause_nothing_is_claimed(code):
    assert foresight(failed(code)) == ""


def test_a_job_that_did_not_fail_has_nothing_to_tell():
    assert foresight(Job(error=None)) == ""
