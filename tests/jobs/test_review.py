"""Gathering what is known, asking the rulebook, applying fixes."""

from __future__ import annotations

import json

import pytest
from django.conf import settings

from jobs.models import State
from jobs.review import NoSuchFix, apply_fix, choices_of, review, review_job
from jobs.rulebook import read
from jobs.services import submit
from models_catalog.models import ModelFamily
from tests.make import make_dataset, make_job, make_model, make_spec, make_user

pytestmark = pytest.mark.django_db


def make_choices(**changes):
    make_model()
    changes.setdefault("data.dataset", str(make_dataset().pk))
    return read(make_spec(**changes))


def codes(asked):
    return [finding.code for finding in asked.report]


def test_a_job_in_order_has_no_errors():
    asked = review(make_choices(), user=make_user())
    assert asked.report.ok, asked.report.errors


def test_recommended_targets_are_filled_in_when_none_were_given():
    asked = review(make_choices(), user=make_user())
    assert asked.choices.spec()["lora"]["target_modules"] == [
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"
    ]  # fmt: skip


def test_filled_in_targets_do_not_count_as_given():
    asked = review(make_choices(), user=make_user())
    assert "target_modules" not in asked.facts["given"]


def test_targets_that_were_given_stay():
    asked = review(make_choices(**{"lora.target_modules": ["q_proj"]}), user=make_user())
    assert asked.choices.spec()["lora"]["target_modules"] == ["q_proj"]


def test_no_targets_are_filled_in_when_all_weights_are_trained():
    asked = review(make_choices(**{"lora.enabled": False}), user=make_user())
    assert asked.choices.spec()["lora"]["target_modules"] is None


def test_checkpointing_is_left_out_where_the_model_has_none():
    ModelFamily.objects.filter(name="Llama").update(supports_checkpointing=False)
    asked = review(make_choices(), user=make_user())
    assert asked.report.ok
    assert asked.choices.spec()["training"]["gradient_checkpointing"] is False


def test_checkpointing_that_was_asked_for_is_refused_where_the_model_has_none():
    ModelFamily.objects.filter(name="Llama").update(supports_checkpointing=False)
    asked = review(make_choices(**{"training.gradient_checkpointing": True}), user=make_user())
    assert codes(asked)[0] == "model.no-gradient-checkpointing"


def test_a_model_named_in_short_gets_its_whole_name():
    asked = review(make_choices(**{"model.name": "tiny-chat"}), user=make_user())
    assert asked.choices.spec()["model"]["name"] == "house/tiny-chat"


def test_the_answer_of_a_check_is_plain_json():
    answer = review(make_choices(), user=make_user()).as_dict()
    assert json.loads(json.dumps(answer)) == answer
    assert {"ok", "findings", "unasked", "estimate", "spec", "rehearsal"} == answer.keys()


def test_facts_can_be_stored_as_json():
    asked = review(make_choices(), user=make_user())
    assert json.loads(json.dumps(asked.plain_facts())) == asked.plain_facts()


def test_a_strangers_dataset_is_not_found():
    choices = make_choices()
    assert review(choices, user=make_user("stranger")).facts["dataset_found"] is False


def test_without_a_user_no_dataset_is_found_and_no_account_is_known():
    asked = review(make_choices(), user=None)
    assert asked.facts["dataset_found"] is False and "active_jobs" not in asked.facts


def test_an_estimate_is_made_whatever_is_wrong_with_the_numbers():
    huge = {
        "training.num_epochs": 1e308,
        "lora.r": 10**300,
        "data.max_length": 10**200,
        "training.batch_size": -(10**99),
    }
    assert review(make_choices(**huge), user=make_user()).as_dict()["estimate"] is not None


def test_nothing_is_reckoned_from_a_number_that_is_refused():
    asked = review(make_choices(**{"training.num_epochs": -1}), user=make_user())
    assert not asked.report.ok
    assert asked.estimate.steps is None
    assert asked.estimate.rows == 20


def test_a_submitted_job_is_not_counted_against_itself():
    job = submit(choices=make_choices(), user=make_user(), confirmed=True)
    assert review_job(job).facts["active_jobs"] == 0


def test_a_submitted_job_is_reviewed_as_it_was_at_submit():
    choices = make_choices()
    asked = review(choices, user=make_user())
    job = submit(choices=choices, user=make_user(), confirmed=True)
    assert review_job(job).report.as_dict() == asked.report.as_dict()


def test_a_submitted_job_remembers_what_its_author_gave():
    job = submit(choices=make_choices(**{"lora.r": 8}), user=make_user(), confirmed=True)
    assert review_job(job).facts["given"] == ("dataset", "lora_r", "method", "model", "strategy")


def test_jobs_of_other_people_do_not_count():
    make_job(make_user("colleague"))
    make_job(make_user(), state=State.FAILED)
    assert review(make_choices(), user=make_user()).facts["active_jobs"] == 0


def test_what_was_chosen_comes_back_from_a_job_without_what_was_filled_in():
    choices = make_choices(**{"lora.r": 8})
    job = submit(choices=choices, user=make_user(), confirmed=True)
    assert choices_of(job).values == choices.values


def test_a_fix_changes_the_choices():
    choices = make_choices(**{"training.num_epochs": -1})
    asked = review(choices, user=make_user())
    error = next(finding for finding in asked.report.errors if finding.field == "training.num_epochs")
    cured = apply_fix(choices, code=error.code, field=error.field, user=make_user())
    assert review(cured, user=make_user()).report.ok


def test_a_field_narrows_a_fix_to_the_finding_at_it():
    misspelt = make_choices(**{"training.epochs": 2, "training.lr": 0.0001})
    fixed = apply_fix(misspelt, code="specification.unknown-key", field="training.lr", user=make_user())
    assert fixed.values["training.learning_rate"] == 0.0001
    assert "training.num_epochs" not in fixed.values


def test_a_fix_that_is_not_offered_is_refused():
    with pytest.raises(NoSuchFix):
        apply_fix(make_choices(), code="numbers.limit", user=make_user())


def test_changing_the_model_by_a_fix_drops_the_targets_of_the_other_one():
    make_model("house/gpt2", family="GPT-2", chat=False)
    given = {"model.name": "house/gpt2", "lora.target_modules": ["c_attn"]}
    choices = make_choices(**given)
    asked = review(choices, user=make_user())
    fixes = [(f.code, i) for f in asked.report for i, x in enumerate(f.fixes) if "model.name" in x.changes]
    assert fixes, codes(asked)
    cured = apply_fix(choices, code=fixes[0][0], index=fixes[0][1], user=make_user())
    assert review(cured, user=make_user()).report.ok


def test_converting_the_data_by_a_fix_makes_a_new_dataset():
    make_model("house/gpt2", family="GPT-2", chat=False)
    choices = make_choices(**{"model.name": "house/gpt2", "data.strategy": "standard"})
    asked = review(choices, user=make_user())
    fixes = [(f.code, i) for f in asked.report for i, x in enumerate(f.fixes) if x.action]
    assert fixes, codes(asked)
    cured = apply_fix(choices, code=fixes[0][0], index=fixes[0][1], user=make_user())
    assert cured.values["data.dataset"] != choices.values["data.dataset"]
    assert review(cured, user=make_user()).report.ok


def test_the_limit_of_gpus_is_known(monkeypatch):
    limited = settings.ENVIRONMENT.model_copy(update={"max_gpus_per_user": 2})
    monkeypatch.setattr(settings, "ENVIRONMENT", limited)
    assert review(make_choices(), user=make_user()).facts["gpus_limit"] == 2
