"""What the catalogue knows of chat templates: whether there is one at sight, the rest from an inspection."""

from __future__ import annotations

from pathlib import Path

import pytest

from models_catalog.catalogue import model_facts
from models_catalog.inspections import forget
from tests.make import make_model

from .test_inspections import make_inspection

pytestmark = pytest.mark.django_db


def test_without_an_inspection_only_the_presence_of_a_template_is_known() -> None:
    facts = model_facts(make_model().name)
    assert facts["supports_chat"] is True
    assert not [name for name in facts if name.startswith("template_")]


def test_an_inspection_tells_what_the_template_does() -> None:
    model = make_model()
    make_inspection(model, template_drops=["tool"], template_refuses_shapes=["no-user"])
    forget()
    facts = model_facts(model.name)
    assert (facts["template_drops"], facts["template_refuses_shapes"]) == (("tool",), ("no-user",))


def test_a_template_that_is_there_but_empty_is_none() -> None:
    model = make_model()
    (Path(model.path) / "chat_template.jinja").write_text("")
    assert model_facts(model.name)["supports_chat"] is False


def test_a_model_whose_template_cannot_be_used_is_not_offered_but_another_is() -> None:
    broken, sound = make_model("house/broken"), make_model("house/sound")
    (Path(broken.path) / "generation_config.json").write_text("{}")  # so that both do not share their inspection
    make_inspection(broken, supports_chat=True, template_problem="it does not end within 1 s")
    forget()
    assert model_facts(broken.name)["chat_model"] == sound.name
    assert model_facts(make_model("house/plain", chat=False).name)["chat_model"] == sound.name
