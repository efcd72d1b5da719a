"""What the check answers while somebody types: findings, and what follows from a choice."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.make import make_dataset, make_model

UNSEEN = {"seen:model.name": "", "seen:data.dataset": "", "seen:training.method": "", "seen:lora.enabled": "true"}


def check(person: Client, data: dict[str, Any]) -> Any:
    return person.post("/jobs/check", data, headers={"HX-Request": "true"})


def form_of(answer: Any) -> Any:
    return answer.context["form"]


def test_choosing_a_model_fills_its_lora_targets(person: Client) -> None:
    make_model("house/tiny-gpt2", family="GPT-2", chat=False)
    answer = check(person, UNSEEN | {"model.name": "house/tiny-gpt2"})
    assert form_of(answer).typed["lora.target_modules"] == "c_attn, c_proj"


def test_targets_of_another_model_give_way_to_those_of_the_chosen_one(person: Client) -> None:
    make_model("house/tiny-gpt2", family="GPT-2", chat=False)
    answer = check(person, UNSEEN | {"model.name": "house/tiny-gpt2", "lora.target_modules": "q_proj, v_proj"})
    assert form_of(answer).typed["lora.target_modules"] == "c_attn, c_proj"


def test_targets_that_the_chosen_model_has_stay(person: Client) -> None:
    make_model()
    answer = check(person, UNSEEN | {"model.name": "house/tiny-chat", "lora.target_modules": "q_proj"})
    assert form_of(answer).typed["lora.target_modules"] == "q_proj"


def test_wrong_targets_typed_later_are_an_error_and_stay_as_typed(person: Client) -> None:
    make_model("house/tiny-gpt2", family="GPT-2", chat=False)
    typed = {"model.name": "house/tiny-gpt2", "lora.target_modules": "q_proj, v_proj"}
    form = form_of(check(person, typed | {"seen:model.name": "house/tiny-gpt2"}))
    assert form.typed["lora.target_modules"] == "q_proj, v_proj"
    assert form["lora.target_modules"].worst == "error"


@pytest.mark.parametrize(
    ("row", "method", "strategy"),
    [
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "sft", "chat"),
        ({"text": "plain"}, "sft", "standard"),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "dpo", "standard"),
        ({"prompt": "a", "completion": "b"}, "sft", "standard"),
    ],
)
def test_the_dataset_suggests_method_and_strategy(
    person: Client, owner: User, row: dict[str, Any], method: str, strategy: str
) -> None:
    dataset = make_dataset(owner, row=row)
    typed = form_of(check(person, UNSEEN | {"data.dataset": str(dataset.pk)})).typed
    assert (typed["training.method"], typed["data.strategy"]) == (method, strategy)


def test_choosing_dpo_brings_its_own_learning_rate(person: Client) -> None:
    typed = form_of(check(person, UNSEEN | {"training.method": "dpo", "training.learning_rate": "0.0002"})).typed
    assert typed["training.learning_rate"] == "5e-6"


def test_a_learning_rate_of_ones_own_stays_when_the_method_changes(person: Client) -> None:
    typed = form_of(check(person, UNSEEN | {"training.method": "dpo", "training.learning_rate": "0.0003"})).typed
    assert typed["training.learning_rate"] == "0.0003"


def test_a_strategy_the_model_cannot_do_is_disabled_with_its_reason(person: Client) -> None:
    make_model("house/tiny-gpt2", family="GPT-2", chat=False)
    form = form_of(check(person, UNSEEN | {"model.name": "house/tiny-gpt2"}))
    chat, standard = form["data.strategy"].options()
    assert chat.disabled and "chat template" in chat.reason
    assert not standard.disabled and not standard.reason


def test_both_strategies_are_open_while_no_model_is_chosen(person: Client) -> None:
    form = form_of(check(person, UNSEEN))
    assert not any(option.reason for option in form["data.strategy"].options())


def test_a_choice_made_before_stays_sent_though_the_model_cannot_do_it(person: Client) -> None:
    make_model("house/tiny-gpt2", family="GPT-2", chat=False)
    form = form_of(check(person, UNSEEN | {"model.name": "house/tiny-gpt2", "data.strategy": "chat"}))
    chat, _ = form["data.strategy"].options()
    assert chat.checked and not chat.disabled
    assert form["data.strategy"].worst == "error"


def test_an_answer_draws_no_input_that_nothing_has_changed(person: Client) -> None:
    answer = check(person, UNSEEN | {"training.num_epochs": "50"})
    assert b'name="training.num_epochs"' not in answer.content
    assert b'id="findings-id_training-num_epochs"' in answer.content


def test_without_htmx_the_same_address_draws_the_whole_page_with_everything_typed(person: Client) -> None:
    answer = person.post("/jobs/check", {"name": "<b>mine</b>", "training.num_epochs": "many", "lora.r": "12"})
    content = answer.content.decode()
    assert "<html" in content and "&lt;b&gt;mine&lt;/b&gt;" in content and 'value="12"' in content
    assert 'type="text" name="training.num_epochs" value="many"' in content
