"""The form is made from the settings table and says what the rulebook says."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs.form_page import JobPage
from jobs.forms import JobForm, Stage, blank
from jobs.review import review
from jobs.rulebook import read
from jobs.rulebook.settings_table import SETTINGS
from tests.make import make_model

BROKEN: list[dict[str, Any]] = [
    {},
    {"model.name": "gtp2"},
    {"model.name": "house/tiny-gpt2", "data.strategy": "chat", "training.method": "sft"},
    {"training.num_epochs": "NaN", "training.batch_size": "0", "training.learning_rate": "fast"},
    {"lora.target_modules": "q_proj, v_proj, q_proj", "model.name": "house/tiny-gpt2"},
    {"lora.enabled": "false", "lora.r": "-1"},
    {"data.max_length": "1000000", "training.learning_rate": "0.9"},
]


def test_every_setting_of_the_table_is_a_field_and_nothing_else_is(owner: User) -> None:
    form = JobForm(blank(), user=owner)
    assert list(form.fields) == list(SETTINGS)


def test_every_field_is_drawn_in_exactly_one_section(owner: User) -> None:
    page = JobPage(JobForm(blank(), user=owner))
    groups = [page.model_and_data, page.method_and_strategy, page.training, page.lora, *dict(page.advanced).values()]
    drawn = [field.name for group in groups for field in group]
    assert sorted(drawn) == sorted(SETTINGS)


@pytest.mark.parametrize("path", [path for path, setting in SETTINGS.items() if setting.has_limits])
def test_limits_of_the_table_stand_on_the_number_input(path: str, owner: User) -> None:
    setting, field = SETTINGS[path], JobForm(blank(), user=owner)[path]
    if setting.kind not in ("integer", "number") or field.is_searched:
        return
    attributes = field.field.widget.attrs
    low = setting.above if setting.minimum is None else setting.minimum
    assert low is None or float(attributes["min"]) == low


@pytest.mark.parametrize("typed", BROKEN)
def test_the_form_finds_what_the_rulebook_finds_in_the_same_words(typed: dict[str, Any], owner: User) -> None:
    make_model("house/tiny-gpt2", family="GPT-2", chat=False)
    names = {"lora.target_modules": typed["lora.target_modules"].split(", ")} if "lora.target_modules" in typed else {}
    expected = review(read(typed | names), user=owner).report
    form = JobForm(typed, user=owner, stage=Stage.ASKED)
    assert [(finding.code, finding.message) for finding in form.shown] == [(f.code, f.message) for f in expected]
    assert sum(len(errors) for errors in form.errors.values()) == len(expected.errors)


def test_what_is_missing_is_not_said_while_typing(owner: User) -> None:
    form = JobForm(blank(), user=owner, stage=Stage.TYPING)
    assert form.shown == ()
    assert set(form.missing) == {"model.name", "data.dataset", "data.strategy", "training.method"}


def test_an_untouched_form_says_nothing_even_about_fine_fields(owner: User) -> None:
    form = JobForm(blank(), user=owner, stage=Stage.FRESH)
    assert {form[path].worst for path in SETTINGS} == {""}  # type: ignore[attr-defined]


def test_a_switch_that_is_not_sent_keeps_its_default(owner: User) -> None:
    assert JobForm({}, user=owner).review.facts["lora_enabled"] is True


def test_a_switch_that_is_turned_off_is_off(owner: User) -> None:
    assert JobForm({"lora.enabled": "false"}, user=owner).review.facts["lora_enabled"] is False


def test_defaults_pass_without_a_word(owner: User, good: dict[str, str]) -> None:
    form = JobForm(blank() | good, user=owner, stage=Stage.ASKED)
    assert form.is_valid(), form.errors
    assert not JobPage(form).warnings


def test_facts_that_are_assumed_are_not_said_to_come_from_the_models_files(person: Client) -> None:
    page = person.get("/jobs/new", {"model.name": "openai-community/gpt2"}).content.decode()
    assert "<dt>Known from</dt><dd>its family, so assumed</dd>" in page
