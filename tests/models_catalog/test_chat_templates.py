"""What is known of a chat template without running it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models_catalog.catalogue import model_facts
from models_catalog.chat_templates import LONGEST, ChatTemplate, read_template
from tests.make import make_model

from .folders import edit_json

LOOP = "{% for m in messages %}"
VERBATIM = LOOP + "<|im_start|>{{ m['role'] }} {{ m['content'] }}{% endfor %}"
TWO_ROLES = LOOP + "{% if m.role == 'user' %}U{% elif m.role == 'assistant' %}A{% endif %}{{ m.content }}{% endfor %}"
STRICT = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    + LOOP
    + "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}{{ m['role'] }}{{ m['content'] }}{% endfor %}"
)
MISTRAL = STRICT.replace("m['role'] == 'user'", "m['role'] not in ['tool'] and m['role'] == 'user'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (VERBATIM, ChatTemplate()),
        ("", ChatTemplate()),
        (TWO_ROLES, ChatTemplate(drops=frozenset({"system", "tool"}))),
        (
            TWO_ROLES.replace("{% elif", "{% elif m.role == 'system' %}S{% elif"),
            ChatTemplate(drops=frozenset({"tool"})),
        ),
        (TWO_ROLES + "{% set kept = messages[0].role %}", ChatTemplate()),
        (STRICT, ChatTemplate(refuses=frozenset({"system", "tool"}), alternates=True)),
        (MISTRAL, ChatTemplate(refuses=frozenset({"system"}), alternates=True)),
        ("{{ raise_exception('Only user and system roles are supported') }}", ChatTemplate()),
        (LOOP + "{% generation %}{{ m.content }}{% endgeneration %}{% break %}{% endfor %}", ChatTemplate()),
        ("{" * LONGEST + "{%", ChatTemplate()),
    ],
)
def test_a_template_is_known_by_its_text(text: str, expected: ChatTemplate) -> None:
    assert read_template(text) == expected


@pytest.mark.parametrize("text", [LOOP + "{{ m }", "{% for %}", LOOP, "{% elsewhere %}", "{{ " + "(" * 10_000 + "1"])
def test_a_template_that_cannot_be_read_says_why(text: str) -> None:
    assert read_template(text).problem


def test_a_template_is_never_run() -> None:
    assert read_template("{% for a in range(10 ** 9) %}{% for b in range(10 ** 9) %}{% endfor %}{% endfor %}") == (
        ChatTemplate()
    )


@pytest.mark.django_db
def test_the_template_in_a_file_of_its_own_beats_the_other() -> None:
    model = make_model()
    edit_json(Path(model.path) / "tokenizer_config.json", chat_template=VERBATIM)
    assert model_facts(model.name)["template_drops"] == ()
    (Path(model.path) / "chat_template.jinja").write_text(TWO_ROLES)
    assert model_facts(model.name)["template_drops"] == ("system", "tool")


IM_END = {"id": 7, "content": "<|im_end|>", "special": True}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("eos", "generation", "added", "end"),
    [
        ("</s>", {}, [IM_END], "<|im_end|>"),
        ("</s>", {"eos_token_id": 2}, [IM_END], "<|im_end|>"),
        ({"content": "</s>"}, {}, [IM_END], "<|im_end|>"),
        ("<|im_end|>", {}, [IM_END], ""),
        ("</s>", {"eos_token_id": [2, 7]}, [IM_END], ""),
        ("</s>", {"eos_token_id": 7}, [IM_END], ""),
        ("</s>", {}, [], ""),
        (None, {}, [IM_END], ""),
    ],
)
def test_a_turn_must_end_where_the_model_stops(eos: Any, generation: Any, added: Any, end: str) -> None:
    folder = Path(make_model().path)
    template = VERBATIM.replace("{% endfor %}", "<|im_end|>{% endfor %}")
    edit_json(folder / "tokenizer_config.json", chat_template=template, eos_token=eos)
    edit_json(folder / "generation_config.json", **generation)
    edit_json(folder / "tokenizer.json", added_tokens=added)
    assert model_facts("house/tiny-chat")["template_end"] == end


@pytest.mark.django_db
def test_a_model_whose_template_cannot_be_read_is_not_offered_but_another_is() -> None:
    broken, sound = make_model("house/broken"), make_model("house/sound")
    edit_json(Path(broken.path) / "tokenizer_config.json", chat_template=LOOP)
    assert model_facts(broken.name)["chat_model"] == sound.name
    assert model_facts(make_model("house/plain", chat=False).name)["chat_model"] == sound.name
