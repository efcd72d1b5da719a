"""Rehearsals on the page of a job: under way, passed, stopped, not possible."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from jobs.models import Rehearsal, Trial
from tests.make import make_job, make_user

from .rehearsed import NOT_POSSIBLE, WARNING, document, not_rehearsed, stopped


def page(person: Client, owner: User, rehearsed: Any = None, **job: Any) -> str:
    rehearsal = Rehearsal.objects.create(document=rehearsed) if rehearsed else None
    made = make_job(owner, rehearsal=rehearsal, **job)
    return person.get(made.get_absolute_url()).content.decode()


def test_a_job_that_is_being_checked_says_what_is_being_proved(person: Client, owner: User) -> None:
    content = page(person, owner, state="checking", lease_until=timezone.now() + timedelta(minutes=1))
    assert "Being rehearsed" in content and "tiny stand-in" in content
    assert content.count('<ul class="tries"') == 1
    assert "Waiting for a free machine" not in content


@pytest.mark.parametrize("ago", [None, 1])
def test_a_job_that_nobody_rehearses_yet_is_not_said_to_be_rehearsed(
    person: Client, owner: User, ago: int | None
) -> None:
    lease = timezone.now() - timedelta(seconds=ago) if ago else None
    content = page(person, owner, state="checking", lease_until=lease)
    assert "Waiting to be rehearsed" in content and "is-live" not in content


def test_a_passed_rehearsal_is_kept_folded_with_its_evidence_and_rows(person: Client, owner: User) -> None:
    content = page(person, owner, document(), state="running")
    assert "Rehearsed: it works" in content
    assert '<details>\n            <summary class="rehearsal-head"' in content
    assert "Every LoRA target got a gradient." in content
    assert "<dt>modules</dt><dd>56</dd>" in content and "q_proj and v_proj" in content
    assert "longest, most turns" in content and '812 <span class="chip">cut</span>' in content
    assert 'is-nothing">0<' in content
    assert "Took 2.1 s with trl 1.16.0." in content


def test_a_rehearsal_with_a_warning_is_open(person: Client, owner: User) -> None:
    content = page(person, owner, document(findings=[WARNING]), state="queued")
    assert "<details open>" in content and "Row 4 trains nothing." in content


def test_what_stopped_the_rehearsal_is_told_escaped(person: Client, owner: User) -> None:
    content = page(person, owner, stopped(), state="refused", error=stopped()["findings"][0])
    assert "Rehearsed: it would fail" in content
    assert "No gradient reached &lt;b&gt;w1&lt;/b&gt;." in content
    assert "New job: Use 512" in content


def test_a_job_that_could_not_be_rehearsed_says_why(person: Client, owner: User) -> None:
    content = page(person, owner, not_rehearsed(), state="refused", error=NOT_POSSIBLE)
    assert "Not rehearsed" in content and "7 B parameters in one layer" in content


def test_a_job_without_a_rehearsal_shows_none(person: Client, owner: User) -> None:
    assert 'id="h-rehearsal"' not in page(person, owner, state="succeeded")


def card(answer: Any) -> str:
    content = answer.content.decode()
    return content[content.index('<section id="rehearsal"') :]


unrehearsed = pytest.mark.usefixtures("nothing_was_rehearsed")


@unrehearsed
def test_a_rehearsal_is_offered_once_nothing_is_missing(person: Client, good: dict[str, str]) -> None:
    assert "Possible when nothing is missing" in card(person.post("/jobs/check", {}))
    assert "Possible when nothing is missing" not in card(person.post("/jobs/check", good))


@unrehearsed
def test_a_rehearsal_that_was_asked_for_is_under_way_until_something_changes(
    person: Client, good: dict[str, str]
) -> None:
    asked = person.post("/jobs/rehearse", good)
    trial = Trial.objects.get()
    assert f'name="trial" value="{trial.pk}"' in card(asked) and "every 1200ms" in card(asked)
    assert "under way" in card(person.post("/jobs/check", good | {"trial": str(trial.pk)}))
    changed = good | {"trial": str(trial.pk), "lora.r": "4"}
    assert "Rehearse now" in card(person.post("/jobs/check", changed))


@unrehearsed
def test_the_answer_is_shown_with_what_it_proved(person: Client, good: dict[str, str]) -> None:
    person.post("/jobs/rehearse", good)
    Trial.objects.update(answer={"rehearsal": document()})
    shown = card(person.post("/jobs/check", good | {"trial": str(Trial.objects.get().pk)}))
    assert "Rehearsed: it works" in shown and "Every LoRA target got a gradient." in shown


@unrehearsed
def test_a_rehearsal_that_is_not_possible_offers_the_tick_in_the_summary(person: Client, good: dict[str, str]) -> None:
    person.post("/jobs/rehearse", good)
    Trial.objects.update(answer={"rehearsal": not_rehearsed()})
    summary = person.post("/jobs/summary", good | {"trial": str(Trial.objects.get().pk)}).content.decode()
    assert 'name="unrehearsed" value="start"' in summary


@unrehearsed
def test_another_persons_rehearsal_is_not_shown(person: Client, good: dict[str, str]) -> None:
    theirs = Trial.objects.create(owner=make_user("stranger"), choices={}, answer={"rehearsal": document()})
    assert "Rehearsed" not in card(person.post("/jobs/check", good | {"trial": str(theirs.pk)}))


def test_a_job_refused_by_its_rehearsal_can_be_started_anyway(person: Client, owner: User) -> None:
    content = page(person, owner, not_rehearsed(), state="refused", error=NOT_POSSIBLE)
    assert "Start without rehearsal" in content and "/start-anyway" in content
    assert "Start anyway" in page(person, owner, document(findings=[WARNING]), state="refused", error=WARNING)
    assert "Start anyway" not in page(person, owner, stopped(), state="refused", error=stopped()["findings"][0])
