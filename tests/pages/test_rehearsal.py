"""Rehearsals on the page of a job: under way, passed, stopped, not possible."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from jobs.models import Rehearsal
from tests.make import make_job

from .rehearsed import NOT_POSSIBLE, WARNING, document, not_rehearsed, stopped


def page(person: Client, owner: User, rehearsed: Any = None, **job: Any) -> str:
    rehearsal = Rehearsal.objects.create(document=rehearsed) if rehearsed else None
    made = make_job(owner, rehearsal=rehearsal, **job)
    return person.get(made.get_absolute_url()).content.decode()


def test_a_job_that_is_being_checked_says_what_is_being_proved(person: Client, owner: User) -> None:
    content = page(person, owner, state="checking")
    assert "Being rehearsed" in content and "tiny stand-in" in content
    assert content.count('<ul class="tries"') == 1
    assert "Waiting for a free machine" not in content


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
