"""The page of a model: its modules are ticked, its chat template is tried. The warm process behind it is real."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from models_catalog.looks import look_into
from models_catalog.models import BaseModel
from tests.inspection.small_tokenizers import CHATML, make_tokenizer
from tests.make import make_family

from .conftest import PHONE, OpenPage
from .pages import sideways, violations

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.usefixtures("warm"),
]
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}"


def make_model(folder: Path, template: str) -> BaseModel:
    make_tokenizer(folder, template)
    row = {"source": "local", "path": str(folder), "family": make_family("Llama"), "supports_chat": True}
    model = BaseModel.objects.create(name=f"house/{folder.name}", **row)
    look_into(model)
    return model


@pytest.fixture
def model(owner: User, tmp_path: Path) -> BaseModel:
    return make_model(tmp_path / "tiny", CHATML)


@pytest.fixture
def page(browse: OpenPage, owner: User, model: BaseModel) -> Page:
    return browse(owner, model.get_absolute_url())


def render(page: Page) -> Locator:
    """Longest for a template that never ends: it is given some seconds."""
    page.get_by_role("button", name="Render", exact=True).last.click()
    expect(page.locator("#rendered .tokens, #rendered .finding-error")).to_be_visible(timeout=30_000)
    return page.locator("#rendered")


def test_what_is_typed_is_rendered_token_by_token(page: Page) -> None:
    expect(render(page).locator(".tokens")).to_contain_text("<|im_start|>user↵\nHow high is the lighthouse?<|im_end|>")
    page.get_by_label("Content of turn 1").fill("<b>Naïve</b> 🦜?")
    expect(page.locator(".tokens")).to_contain_text("<b>Naï·ve</b> 🦜···?<|im_end|>")
    page.get_by_label("Role of turn 1").fill("pirate")
    page.get_by_label("Role of turn 1").press("Tab")
    expect(page.locator(".tokens")).to_contain_text("<|im_start|>pirate↵")
    expect(page.get_by_label("Content of turn 1")).to_have_value("<b>Naïve</b> 🦜?")


def test_turns_come_and_go_by_button(page: Page) -> None:
    page.get_by_role("button", name="Add a turn").click()
    page.get_by_label("Content of turn 3").fill("And the paint?")
    expect(page.locator(".tokens")).to_contain_text("And the paint?")
    page.get_by_role("button", name="Remove turn 1").click()
    expect(page.locator(".turn")).to_have_count(2)
    expect(page.locator(".tokens")).not_to_contain_text("lighthouse")


def test_tokens_are_read_by_keyboard(page: Page) -> None:
    render(page).locator(".tokens").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-token-reading]")).to_contain_text('"<|im_start|>" · id 3 · special')


def test_an_example_is_taken_from_the_list(page: Page) -> None:
    page.get_by_label("Begin with").select_option("system")
    expect(page.get_by_label("Role of turn 1")).to_have_value("system")
    expect(page.locator(".tokens")).to_contain_text("<|im_start|>system")


def test_a_resized_box_leaves_no_inline_style_behind(page: Page) -> None:
    """The page's security policy refuses style attributes that are swapped in; the console would say so."""
    page.get_by_label("Content of turn 1").evaluate("box => box.style.height = '9rem'")
    page.get_by_role("button", name="Add a turn").click()
    expect(page.locator(".turn")).to_have_count(3)


def test_a_text_that_is_too_long_is_refused_and_kept(page: Page) -> None:
    page.get_by_label("Content of turn 1").fill("lighthouse " * 3000)
    expect(page.locator("#rendered .finding-error")).to_contain_text("20,000 characters")
    expect(page.get_by_label("Content of turn 1")).to_have_value("lighthouse " * 3000)
    assert sideways(page) == 0


def test_a_template_that_never_ends_is_stopped(browse: OpenPage, owner: User, tmp_path: Path) -> None:
    page = browse(owner, make_model(tmp_path / "endless", ENDLESS).get_absolute_url())
    expect(render(page).locator(".finding-error")).to_contain_text("stopped")
    expect(page.get_by_label("Content of turn 1")).to_have_value("How high is the lighthouse?")


def test_ticked_modules_are_counted_and_go_along_to_a_new_job(page: Page) -> None:
    modules = page.locator("#lora")
    page.get_by_role("checkbox", name="q_proj").uncheck()
    expect(modules.get_by_text("As a setting")).not_to_contain_text("q_proj")
    expect(page.get_by_role("checkbox", name="q_proj")).to_be_focused()
    page.get_by_label("Rank (r)").fill("4")
    page.get_by_label("Rank (r)").press("Tab")
    link = modules.get_by_role("link", name="New job with these targets")
    expect(link).to_have_attribute("href", re.compile("lora.r=4&"))
    link.click()
    expect(page.locator('[id="id_lora-target_modules"]')).to_have_value(
        "k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj"
    )
    expect(page.locator('[id="id_lora-r"]')).to_have_value("4")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_violates_nothing(browse: OpenPage, owner: User, model: BaseModel, theme: str) -> None:
    page = browse(owner, model.get_absolute_url(), theme=theme)
    render(page)
    assert violations(page) == []


def test_the_page_does_not_scroll_sideways_on_a_phone(browse: OpenPage, owner: User, model: BaseModel) -> None:
    page = browse(owner, model.get_absolute_url(), viewport=PHONE)
    render(page)
    assert sideways(page) == 0


def test_without_scripts_the_template_is_tried_and_modules_are_ticked(
    browse: OpenPage, owner: User, model: BaseModel
) -> None:
    page = browse(owner, model.get_absolute_url(), scripts=False)
    page.get_by_label("Content of turn 1").fill("Ahoy?")
    expect(render(page).locator(".tokens")).to_contain_text("Ahoy?<|im_end|>")
    page.get_by_role("checkbox", name="q_proj").uncheck()
    page.get_by_role("button", name="Show what these come to").click()
    expect(page.get_by_text("As a setting")).not_to_contain_text("q_proj")
