"""The template playground with nothing replaced: a page is posted, a real warm process renders, tokens come back."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from django.test import Client

from models_catalog.models import BaseModel
from models_catalog.playground import Playground
from tests.inspection.small_tokenizers import published
from tests.make import make_family, make_user
from tests.tiny_models import make_tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

SAID = {"role": ["user", "assistant"], "content": ["Is the sky blue?", "The sky is blue."], "more": ["", ""]}
MESSAGES = [{"role": role, "content": content} for role, content in zip(SAID["role"], SAID["content"], strict=True)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny", "llama", chat=True)


def with_template(folder: Path, template: str) -> Path:
    (folder / "chat_template.jinja").write_text(template)
    return folder


def played(folder: Path, **sent: object) -> tuple[str, Playground]:
    """What the page shows, and what it was drawn from."""
    family = make_family("Llama")
    model = BaseModel.objects.create(name="house/tiny", source="local", path=str(folder), family=family)
    client = Client()
    client.force_login(make_user())
    answer = client.post(f"/models/{model.pk}/playground", {**SAID, **sent}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return answer.content.decode(), answer.context["playground"]


def test_what_is_shown_is_what_the_tokenizer_makes_of_the_conversation(warm: None, tiny: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    page, playground = played(tiny)
    assert playground.rendered is not None
    assert playground.rendered.text == tokenizer.apply_chat_template(MESSAGES, tokenize=False)
    ids = tokenizer.apply_chat_template(MESSAGES)["input_ids"]
    assert [token.id for token in playground.rendered.tokens] == ids
    assert playground.rendered.count == len(ids)
    assert "&lt;|im_start|&gt;" in page


def test_with_a_template_of_trls_the_tokens_that_are_learnt_are_told_apart(warm: None, tmp_path: Path) -> None:
    folder = with_template(make_tiny_model(tmp_path / "qwen", "qwen2", chat=True), published("qwen2_5_training"))
    _, playground = played(folder)
    assert playground.rendered is not None and playground.rendered.knows_trained
    learnt = "".join(token.text for token in playground.rendered.tokens if token.trained)
    assert learnt.strip() == "The sky is blue.<|im_end|>"


def test_a_template_that_never_ends_is_stopped_and_harms_nobody(warm: None, tiny: Path, tmp_path: Path) -> None:
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{{ a * b }}{% endfor %}{% endfor %}"
    folder = with_template(make_tiny_model(tmp_path / "endless", "llama", chat=True), endless)
    began = time.monotonic()
    page, playground = played(folder)
    assert playground.rendered is not None and "stopped" in playground.rendered.refusal
    assert time.monotonic() - began < 30
    assert "stopped" in page
    BaseModel.objects.all().delete()
    assert played(tiny)[1].rendered.text  # type: ignore[union-attr]


def test_the_turn_that_is_refused_is_named(warm: None, tmp_path: Path) -> None:
    strict = "{% for m in messages %}{% if m.role == 'assistant' %}{{ raise_exception('No answers here') }}{% endif %}"
    folder = with_template(make_tiny_model(tmp_path / "strict", "llama", chat=True), strict + "{% endfor %}")
    page, playground = played(folder)
    assert playground.rendered is not None and playground.rendered.turn == 2
    assert "No answers here" in page


def test_tools_are_rendered_too(warm: None, tmp_path: Path) -> None:
    tools = json.dumps([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}])
    template = "{% for tool in tools %}[{{ tool.function.name }}]{% endfor %}{{ messages[0].content }}"
    folder = with_template(make_tiny_model(tmp_path / "tools", "llama", chat=True), template)
    _, playground = played(folder, tools=tools)
    assert playground.rendered is not None and playground.rendered.text == "[weather]Is the sky blue?"
