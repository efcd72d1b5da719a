"""The form of a new job, live."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, expect

from datasets_app.models import Dataset
from jobs.models import Job
from tests.make import make_dataset, make_model

from .conftest import OpenPage
from .pages import NewJob, violations

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def dataset(owner: User) -> Dataset:
    make_model()
    make_model("house/tiny-gpt2", family="GPT-2", chat=False)
    return make_dataset(owner)


@pytest.fixture
def form(browse: OpenPage, owner: User, dataset: Dataset) -> NewJob:
    return NewJob(browse(owner, "/jobs/new"))


def test_a_wrong_number_is_said_while_typing_and_keeps_the_keyboard(form: NewJob) -> None:
    form.type("training.batch_size", "0")
    expect(form.findings("training.batch_size")).to_contain_text("0")
    expect(form.input("training.batch_size")).to_have_attribute("aria-invalid", "true")
    expect(form.input("training.batch_size")).to_be_focused()
    form.type("training.batch_size", "4")
    expect(form.input("training.batch_size")).not_to_have_attribute("aria-invalid", "true")


def test_choosing_a_model_unlocks_lora_and_fills_its_targets(form: NewJob) -> None:
    expect(form.page.get_by_text("Choose a model first")).to_be_visible()
    form.choose("model.name", "house/tiny-gpt2")
    expect(form.input("lora.target_modules")).to_have_value("c_attn, c_proj")
    expect(form.page.get_by_text("Choose a model first")).to_be_hidden()
    expect(form.page.get_by_text("no chat template", exact=True)).to_be_visible()


def options(form: NewJob) -> Locator:
    return form.page.locator(".combo-list").get_by_role("option")


def test_a_model_is_found_by_typing_parts_of_what_is_known_of_it(form: NewJob) -> None:
    box = form.page.get_by_role("combobox", name="Base model")
    box.click()
    expect(options(form).first).to_contain_text("house/tiny-chat")
    box.press_sequentially("GPT2 tiny")
    expect(options(form)).to_have_count(1)
    with form.page.expect_response("**/jobs/check"):
        box.press("Enter")
    expect(box).to_have_value("house/tiny-gpt2")
    expect(box).to_have_attribute("aria-expanded", "false")
    expect(form.input("model.name")).to_have_value("house/tiny-gpt2")
    expect(form.input("lora.target_modules")).to_have_value("c_attn, c_proj")


def test_choices_are_walked_through_by_keyboard_and_left_as_they_were(form: NewJob) -> None:
    form.choose("model.name", "house/tiny-chat")
    box = form.page.get_by_role("combobox", name="Base model")
    expect(box).to_have_value("house/tiny-chat")
    box.focus()
    box.press("ArrowDown")
    box.press("ArrowDown")
    pointed = form.page.locator(".combo-list .is-pointed")
    expect(pointed).to_contain_text("house/tiny-gpt2")
    expect(box).to_have_attribute("aria-activedescendant", str(pointed.get_attribute("id")))
    box.press("Escape")
    expect(options(form)).to_have_count(0)
    expect(form.input("model.name")).to_have_value("house/tiny-chat")


def test_what_fits_nothing_is_said_and_chooses_nothing(form: NewJob) -> None:
    box = form.page.get_by_role("combobox", name="Base model")
    box.fill("no such thing")
    expect(form.page.get_by_text("Nothing fits “no such thing”.")).to_be_visible()
    assert violations(form.page) == []
    box.press("Enter")
    expect(form.dialog).to_be_hidden()
    box.press("Tab")
    expect(box).to_have_value("")
    expect(form.input("model.name")).to_have_value("")


def test_what_may_be_left_open_is_taken_back(form: NewJob, dataset: Dataset, owner: User) -> None:
    form.page.locator("#advanced > summary").click()
    form.choose("data.eval_dataset", str(dataset.pk))
    box = form.page.get_by_role("combobox", name="Evaluation dataset")
    expect(box).to_have_value("support chats")
    box.click()
    with form.page.expect_response("**/jobs/check"):
        options(form).filter(has_text="None").click()
    expect(box).to_have_value("")
    expect(form.input("data.eval_dataset")).to_have_value("")


def test_a_link_to_a_missing_choice_leads_to_its_box(form: NewJob) -> None:
    form.page.locator("#verdict").get_by_role("link", name="Base model").click()
    expect(form.page.get_by_role("combobox", name="Base model")).to_be_focused()


def test_a_module_is_ticked_and_unticked_in_the_tree(form: NewJob) -> None:
    form.choose("model.name", "house/tiny-gpt2")
    box = form.page.get_by_role("checkbox", name="c_proj")
    box.focus()
    with form.page.expect_response("**/jobs/tick"):
        form.page.keyboard.press("Space")
    expect(form.input("lora.target_modules")).to_have_value("c_attn")
    expect(box).not_to_be_checked()
    expect(box).to_be_focused()


def test_the_reason_of_a_refused_strategy_is_reached_by_keyboard(form: NewJob) -> None:
    form.choose("model.name", "house/tiny-gpt2")
    expect(form.card("data.strategy", "chat")).to_be_disabled()
    why = form.page.get_by_role("button", name="Why Chat is not possible")
    why.focus()
    form.page.keyboard.press("Enter")
    expect(form.page.get_by_text("Chat is not possible")).to_be_visible()
    form.page.keyboard.press("Escape")
    expect(form.page.get_by_text("Chat is not possible")).to_be_hidden()


def test_the_dataset_suggests_method_and_strategy(form: NewJob, dataset: Dataset) -> None:
    form.choose("data.dataset", str(dataset.pk))
    expect(form.card("training.method", "sft")).to_be_checked()
    expect(form.card("data.strategy", "chat")).to_be_checked()


def test_cures_are_pressed_until_green_and_the_job_starts(form: NewJob, dataset: Dataset) -> None:
    form.choose("data.dataset", str(dataset.pk))
    form.choose("model.name", "house/tiny-gpt2")
    form.type("training.num_epochs", "50")
    form.fix("Use house/tiny-chat")
    expect(form.input("lora.target_modules")).to_have_value(
        "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj"
    )
    form.fix("Use 10")
    expect(form.input("training.num_epochs")).to_have_value("10")
    expect(form.input("training.num_epochs")).to_be_focused()
    expect(form.page.locator("#verdict")).to_contain_text("Ready to start")
    form.check_and_start()
    form.start()
    form.page.wait_for_url("**/jobs/*/")
    assert Job.objects.get().spec["training"]["num_epochs"] == 10


def test_an_error_in_the_dialog_leads_to_its_field(form: NewJob, dataset: Dataset) -> None:
    form.choose("data.dataset", str(dataset.pk))
    form.type("training.learning_rate", "-1")
    form.check_and_start()
    expect(form.dialog.get_by_role("button", name="Start training")).to_have_count(0)
    form.dialog.get_by_role("link", name="Go to Learning rate").click()
    expect(form.dialog).to_be_hidden()
    expect(form.input("training.learning_rate")).to_be_focused()


def test_a_warning_is_confirmed_by_one_tick(form: NewJob, dataset: Dataset, owner: User) -> None:
    form.choose("data.dataset", str(dataset.pk))
    form.choose("model.name", "house/tiny-chat")
    form.type("training.num_epochs", "50")
    form.check_and_start()
    with form.page.expect_response("**/jobs/new"):
        form.start()
    expect(form.dialog).to_contain_text("Nothing has started yet: tick that you have read the warnings")
    form.dialog.get_by_label("I have read").check()
    form.start()
    form.page.wait_for_url("**/jobs/*/")
    assert Job.objects.get().confirmed_by == owner


def test_the_slider_and_its_number_move_together(form: NewJob) -> None:
    slider = form.page.get_by_label("Epochs, slider")
    with form.page.expect_response("**/jobs/check"):
        slider.fill("1000")
    expect(form.input("training.num_epochs")).to_have_value("20")
    form.type("training.num_epochs", "0.5")
    assert float(slider.input_value()) == 0


def test_what_was_typed_survives_a_server_that_is_away(form: NewJob) -> None:
    form.page.route("**/jobs/check", lambda route: route.abort())
    form.input("name").fill("my run")
    expect(form.page.get_by_text("Nothing you typed is lost")).to_be_visible()
    expect(form.input("name")).to_have_value("my run")
    form.page.watched.forget("ERR_FAILED", "htmx:")  # type: ignore[attr-defined]
    form.page.unroute("**/jobs/check")
    form.type("name", "my second run")
    expect(form.page.get_by_text("Nothing you typed is lost")).to_be_hidden()


def test_what_was_typed_survives_going_away_and_back(form: NewJob) -> None:
    form.choose("model.name", "house/tiny-gpt2")
    form.type("name", "my run")
    form.type("training.num_epochs", "50")
    form.page.get_by_role("link", name="Datasets").click()
    form.page.wait_for_url("**/datasets/")
    form.page.go_back()
    expect(form.input("name")).to_have_value("my run")
    expect(form.input("training.num_epochs")).to_have_value("50")
    expect(form.input("lora.target_modules")).to_have_value("c_attn, c_proj")
    expect(form.findings("training.num_epochs")).to_contain_text("50")


def test_return_in_a_field_opens_the_summary(form: NewJob) -> None:
    form.input("name").press("Enter")
    expect(form.dialog).to_be_visible()


def test_without_scripts_cures_and_summary_work_too(browse: OpenPage, owner: User, dataset: Dataset) -> None:
    form = NewJob(browse(owner, "/jobs/new", scripts=False))
    form.input("model.name").select_option("house/tiny-gpt2")
    form.input("data.dataset").select_option(str(dataset.pk))
    form.page.get_by_role("button", name="Show what fits").click()
    expect(form.input("lora.target_modules")).to_have_value("c_attn, c_proj")
    expect(form.card("data.strategy", "chat")).to_be_checked()
    form.page.get_by_role("button", name="Use house/tiny-chat").click()
    form.page.locator("#check-and-start").click()
    form.page.get_by_role("button", name="Start training").click()
    form.page.wait_for_url("**/jobs/*/")
    assert Job.objects.get().spec["model"]["name"] == "house/tiny-chat"
