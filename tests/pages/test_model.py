"""The page of a model: where its facts come from, what its template did, its tree, and the template playground."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs.warm.client import Unanswered
from models_catalog import inspections, playground
from models_catalog.inspection.inspect import inspect_folder
from models_catalog.models import BaseModel, Inspection
from tests.make import make_dataset, make_family, make_user
from tests.tiny_models import make_tiny_model

SAID = {"role": ["user", "assistant"], "content": ["Hello?", "Ahoy!"], "more": ["", ""]}


@pytest.fixture(scope="module")
def looked_into(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A tiny model, and what really looking into it has found."""
    folder = make_tiny_model(tmp_path_factory.mktemp("model") / "tiny", chat=True)
    found: dict[str, Any] = json.loads(json.dumps(inspect_folder(str(folder), parts=("tree", "tokenizer"))))
    return folder, found


@pytest.fixture
def model(db: None, looked_into: tuple[Path, dict[str, Any]]) -> BaseModel:
    folder, found = looked_into
    Inspection.objects.create(key=inspections.key_of(folder), document=found)
    row = {"source": "local", "path": str(folder), "family": make_family("Llama"), "supports_chat": True}
    return BaseModel.objects.create(name="house/tiny", **row)


def text(answer: Any) -> str:
    assert answer.status_code == 200
    content: str = answer.content.decode()
    return content


def test_facts_read_from_the_files_are_not_called_assumed(person: Client, model: BaseModel) -> None:
    page = text(person.get(model.get_absolute_url()))
    assert "Read from its own files" in page and "with transformers" in page
    assert "39.8 k (39,840)" in page and "332 rows" in page
    assert page.count('class="assumed"') <= 1


def test_what_is_not_here_is_called_assumed(person: Client) -> None:
    page = text(person.get(BaseModel.objects.get(name="openai-community/gpt2").get_absolute_url()))
    assert "assumed from the family GPT-2" in page and 'class="assumed"' in page
    assert "Look again" in page


def test_the_tree_shows_what_the_ticked_modules_cost(person: Client, model: BaseModel) -> None:
    asked = {"chosen": "1", "r": "4", "tick": ["model.layers.{}.self_attn.q_proj"]}
    page = text(person.get(model.get_absolute_url(), asked, headers={"HX-Request": "true", "HX-Target": "lora"}))
    assert "<code>q_proj</code>" in page and 'value="4"' in page
    assert "512" in page  # two layers × 4 × (32 + 32)


def test_a_strange_rank_or_box_is_taken_as_none(person: Client, model: BaseModel) -> None:
    for asked in ({"r": "x"}, {"r": "0"}, {"r": "9" * 30}, {"chosen": "1", "tick": "<b>"}):
        assert person.get(model.get_absolute_url(), asked).status_code == 200


def test_without_the_helper_process_the_playground_says_so(person: Client, model: BaseModel) -> None:
    page = text(person.post(f"/models/{model.pk}/playground", SAID))
    assert "The helper process that runs chat templates is not there" in page
    assert "<html" in page and "Ahoy!" in page


@pytest.mark.parametrize(("reason", "said"), [("timeout", "Nothing was there after 20 s"), ("memory", "more memory"),
                                              ("crashed", "broke down"), ("failed", "broke down")])  # fmt: skip
def test_a_template_that_explodes_is_said(
    person: Client, model: BaseModel, monkeypatch: pytest.MonkeyPatch, reason: str, said: str
) -> None:
    def explode(*_: Any, **__: Any) -> None:
        raise Unanswered(reason)

    monkeypatch.setattr(playground, "ask", explode)
    assert said in text(person.post(f"/models/{model.pk}/playground", SAID))


def test_turns_are_added_and_removed(person: Client, model: BaseModel) -> None:
    address = f"/models/{model.pk}/playground"
    added = person.post(address, SAID | {"do": "add"}).context["playground"].conversation
    assert [turn.role for turn in added.turns] == ["user", "assistant", "user"]
    removed = person.post(address, SAID | {"do": "remove:1"}).context["playground"].conversation
    assert [turn.content for turn in removed.turns] == ["Ahoy!"]


@pytest.mark.parametrize("wrong", [
    {"more": ["{", ""]}, {"more": ["[]", ""]}, {"tools": "{}"}, {"tools": "nonsense"}, {"content": ["x" * 20_001, ""]},
    {"role": [], "content": []}, {"do": "remove:x"}, {"do": "example", "example": "row:1:999"},
])  # fmt: skip
def test_what_is_no_conversation_is_said_and_breaks_nothing(
    person: Client, model: BaseModel, wrong: dict[str, Any]
) -> None:
    assert person.post(f"/models/{model.pk}/playground", SAID | wrong).status_code == 200


def test_a_row_of_ones_own_data_is_taken_and_nobody_elses(person: Client, owner: User, model: BaseModel) -> None:
    rows = [{"messages": [{"role": "user", "content": "Mine?"}, {"role": "assistant", "content": "Yours."}]}]
    own = make_dataset(owner, preview=rows, name="own")
    other = make_dataset(make_user("stranger"), preview=rows, name="theirs")
    for dataset, taken in ((own, True), (other, False)):
        sent = SAID | {"do": "example", "example": f"row:{dataset.pk}:0"}
        shown = person.post(f"/models/{model.pk}/playground", sent).context["playground"]
        assert (shown.conversation.turns[0].content == "Mine?") is taken
        assert "theirs" not in dict(shown.datasets)


def test_too_many_renderings_in_a_minute_wait(
    person: Client, model: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playground, "PER_MINUTE", 1)
    person.post(f"/models/{model.pk}/playground", SAID)
    assert "a lot of renderings" in text(person.post(f"/models/{model.pk}/playground", SAID))


def test_nothing_is_rendered_by_looking(person: Client, model: BaseModel) -> None:
    assert person.get(f"/models/{model.pk}/playground").status_code == 405
    assert person.get(f"/models/{model.pk}/look").status_code == 405


def test_a_conversation_is_rendered_to_its_exact_text_and_tokens(
    person: Client, model: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models_catalog.inspection.rendering import render

    monkeypatch.setattr(playground, "ask", lambda task, *, seconds, **told: render(**told))
    page = text(person.post(f"/models/{model.pk}/playground", SAID))
    assert 'class="token is-special" title="4">&lt;|im_start|&gt;</span>' in page
    assert "&lt;|im_start|&gt;user\nHello?&lt;|im_end|&gt;\n" in page
    refused = text(person.post(f"/models/{model.pk}/playground", SAID | {"more": ['{"content": [1]}', ""]}))
    assert "refuses turn 1 (user)" in refused and 'class="turn is-refused"' in refused
