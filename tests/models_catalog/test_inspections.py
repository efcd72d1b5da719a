"""What was found in a model is remembered by its small files, and beats what the catalogue assumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from jobs.warm.client import Unanswered
from models_catalog import inspections
from models_catalog.catalogue import model_facts
from models_catalog.inspections import found_in, inspect, inspection_at_hand, key_of
from models_catalog.knowledge import know
from models_catalog.models import BaseModel, Inspection
from tests.make import make_model

from .folders import edit_json, make_hub_model, write_weights

pytestmark = pytest.mark.django_db


def make_inspection(model: BaseModel, problems: tuple[dict[str, str], ...] = (), **facts: Any) -> Inspection:
    """What looking into a model would have found."""
    document = {"version": 1, "libraries": {}, "seconds": 0.1, "facts": facts, "problems": list(problems)}
    return Inspection.objects.create(key=key_of(Path(model.path)), document=document)


class Looking:
    """Stands for the warm process: answers with facts, or with each reason to fail in turn."""

    def __init__(self, *failures: str) -> None:
        self.failures = list(failures)
        self.asked: list[dict[str, Any]] = []

    def __call__(self, task: str, /, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if self.failures and (reason := self.failures.pop(0)):
            raise Unanswered(reason)
        facts = {part: len(self.asked) for part in asked.get("parts", ["parameters"])}
        return {"version": 1, "libraries": {}, "seconds": 0.5, "facts": facts, "problems": []}


def looking(monkeypatch: pytest.MonkeyPatch, *failures: str) -> Looking:
    looker = Looking(*failures)
    monkeypatch.setattr(inspections, "ask", looker)
    return looker


def test_the_same_files_are_looked_into_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looker = looking(monkeypatch)
    first, second = make_model("house/one"), make_model("house/two")
    assert inspect(first) == inspect(second) == inspection_at_hand(first)
    assert len(looker.asked) == 1


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"])
def test_a_change_of_a_small_file_is_noticed(name: str) -> None:
    model = make_model()
    make_inspection(model)
    edit_json(Path(model.path) / name, changed=True)
    assert inspection_at_hand(model) is None


def test_weights_do_not_matter() -> None:
    model = make_model()
    make_inspection(model)
    write_weights(Path(model.path) / "model.safetensors", "model.layers.0.self_attn.q_proj.weight")
    assert inspection_at_hand(model) is not None


@pytest.mark.parametrize("part", ["libraries", "code"])
def test_other_libraries_or_code_look_again(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    make_inspection(model)
    monkeypatch.setattr(inspections, part, lambda: {"transformers": "99"})
    inspections._key.cache_clear()
    try:
        assert inspection_at_hand(model) is None
    finally:
        inspections._key.cache_clear()


def test_what_is_remembered_costs_no_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    model = make_model()
    make_inspection(model, parameters=7)
    assert found_in(Path(model.path))
    with django_assert_num_queries(0):
        facts = know(model).facts()
    assert facts["parameters"] == 7


def test_what_breaks_down_as_a_whole_is_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    looker = looking(monkeypatch, "crashed", "memory")
    found = inspect(make_model())
    assert found
    assert [asked.get("parts") for asked in looker.asked] == [None, ["tree"], ["tokenizer"], ["template"]]
    assert found.document["facts"] == {"tokenizer": 3, "template": 4}
    [problem] = found.document["problems"]
    assert (problem["code"], problem["message"]) == (
        "tree-memory",
        "Looking at its tree failed. It needed more memory than it was given and was stopped.",
    )


def test_without_a_warm_process_nothing_is_found_and_nothing_raised() -> None:
    assert inspect(make_model()) is None
    assert inspect(make_hub_model()) is None


def test_within_a_check_a_slow_look_is_not_repeated_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    looker = looking(monkeypatch, "timeout")
    assert inspect(make_model(), seconds=1) is None
    assert len(looker.asked) == 1


# What it changes


def test_what_was_found_beats_files_and_family() -> None:
    model = make_model(chat=False)
    found = {"supports_chat": True, "context_length": 64, "parameters": 5, "lora_targets": ["q_proj"],
             "lora_modules": ["q_proj", "v_proj"], "expert_modules": [], "tied_embedding": "embed_tokens",
             "position_table": True, "packing_leaks": True, "supports_checkpointing": False}  # fmt: skip
    make_inspection(model, **found)
    facts = model_facts(model.name)
    assert {name: facts[name] for name in found} == {
        name: tuple(fact) if isinstance(fact, list) else fact for name, fact in found.items()
    }


def test_what_was_not_found_leaves_the_family() -> None:
    model = make_model()
    make_inspection(model, parameters=5)
    facts = model_facts(model.name)
    assert facts["lora_targets"] == tuple(model.family.lora_targets)
    assert facts["supports_checkpointing"] is True


def test_a_row_that_differs_from_what_was_found_is_told() -> None:
    model = make_model(parameters=1000, context_length=2048)
    problem = {"code": "tokenizer-failed", "message": "The tokenizer cannot be loaded."}
    found = {"parameters": 1500, "context_length": 512, "position_table": True, "lora_modules": ["k_proj"]}
    make_inspection(model, (problem,), **found)
    context, parameters, targets, positions, last = model_facts(model.name)["disagreements"]
    assert "reads 512 tokens" in context
    assert "1.5 k parameters, but the catalogue lists 1 k" in parameters
    assert "q_proj, v_proj" in targets
    assert "a learned position table" in positions
    assert last == "The tokenizer cannot be loaded."


def test_a_count_that_is_nearly_right_is_no_difference() -> None:
    model = make_model(parameters=1000)
    make_inspection(model, parameters=1010)
    assert model_facts(model.name)["disagreements"] == ()


def test_damaged_weights_are_told_even_if_the_model_could_be_built() -> None:
    model = make_model()
    (Path(model.path) / "model.safetensors").write_bytes(b"garbage!")
    make_inspection(model, untrainable="", unbuildable="")
    assert "Fetch it again" in model_facts(model.name)["untrainable"]


def test_what_cannot_be_built_is_said_once(settings: Settings) -> None:
    model = make_model()
    edit_json(Path(model.path) / "config.json", architectures=["LlamaForSequenceClassification"])
    assert model_facts(model.name)["untrainable"]
    make_inspection(model, untrainable="", unbuildable="It is no causal language model.")
    facts = model_facts(model.name)
    assert (facts["untrainable"], facts["unbuildable"]) == ("", "It is no causal language model.")


@pytest.mark.parametrize(
    ("config", "files", "told"),
    [
        ({}, ["model.safetensors"], "safetensors"),
        ({"quantization_config": {"quant_method": "gptq"}}, ["model.safetensors"], "gptq"),
        ({}, ["pytorch_model.bin"], "pickle"),
        ({"quantization_config": {"quant_method": "awq"}}, ["pytorch_model.bin"], "pickle"),
        ({}, ["tiny.Q4_K_M.gguf"], "gguf"),
    ],
)
def test_the_form_of_the_weights_is_told(config: dict[str, Any], files: list[str], told: str) -> None:
    model = make_model()
    edit_json(Path(model.path) / "config.json", **config)
    weights = Path(model.path) / "model.safetensors"
    for name in files:
        weights.rename(weights.with_name(name))
    facts = model_facts(model.name)
    assert (facts["weights_format"], facts["unsafe_weights"]) == (told, told == "pickle")


def test_code_of_its_own_is_told() -> None:
    model = make_model()
    assert model_facts(model.name)["own_code"] is False
    edit_json(Path(model.path) / "config.json", auto_map={"AutoModelForCausalLM": "modeling.Mine"})
    assert model_facts(model.name)["own_code"] is True
