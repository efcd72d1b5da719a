"""The modules of a model as a tree: what is ticked, what is not offered and why, what ticking writes."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from models_catalog.lora_tree import Branch, Leaf, LoraTree, lora_tree
from tests.make import make_model

WIDE = 4096


def line(path: str, layers: int = 0, kind: str = "linear", role: str = "", **sizes: int) -> dict[str, Any]:
    at = [[0, layers - 1]] if layers else []
    return {"path": path, "at": at, "kind": kind, "inputs": WIDE, "outputs": WIDE, "role": role, **sizes}


MIXTURE = [
    line("model.embed_tokens", kind="embedding", role="embedding"),
    line("model.layers.{}", 4, "other"),
    line("model.layers.{}.self_attn.q_proj", 4),
    line("model.layers.{}.self_attn.o_proj", 4),
    line("model.layers.{}.mlp.gate", 4, role="router"),
    line("model.layers.{}.mlp.experts.gate_up_proj", 4, "expert", experts=8),
    line("model.layers.{}.cross_attn.o_proj", 2),
    line("model.layers.{}.norm", 4, "other"),
    line("lm_head", role="head"),
]
FACTS = {"modules": MIXTURE, "lora_targets": ["q_proj", "self_attn.o_proj"], "parameters": 10_000_000}


def tree(targets: Any = ("q_proj",), **facts: Any) -> LoraTree:
    found = lora_tree(FACTS | facts, targets, rank=8)
    assert found is not None
    return found


def leaf(found: LoraTree, path: str) -> Leaf:
    return next(each for each in found.leaves if each.path.endswith(path))


def drawn(children: list[Branch | Leaf]) -> list[Any]:
    """The shape of the tree: names of leaves, and branches with what is in them."""
    return [
        (child.name, child.layers, drawn(child.children)) if isinstance(child, Branch) else child.name
        for child in children
    ]


def test_layers_are_folded_and_containers_left_out() -> None:
    assert drawn(tree().children) == [
        ("model", 0, [
            "embed_tokens",
            ("layers", 4, [
                ("self_attn", 0, ["q_proj", "o_proj"]),
                ("mlp", 0, ["gate", ("experts", 0, ["gate_up_proj"])]),
                ("cross_attn", 0, ["o_proj"]),
            ]),
        ]),
        "lm_head",
    ]  # fmt: skip


def test_a_leaf_knows_its_modules_widths_and_advice() -> None:
    found = leaf(tree(), "q_proj")
    assert (found.count, found.reached, found.ticked) == (4, 4, True)
    assert found.shape == "4,096 → 4,096"
    assert found.advised and not leaf(tree(), "cross_attn.o_proj").advised


@pytest.mark.parametrize("path", ["embed_tokens", "gate", "gate_up_proj", "lm_head"])
def test_what_should_carry_no_adapter_says_why(path: str) -> None:
    assert leaf(tree(), path).why_not


def test_one_layer_of_four_is_partly_reached() -> None:
    found = leaf(tree(("layers.2.self_attn.q_proj",)), "q_proj")
    assert found.partly and not found.ticked and found.reached == 1


@pytest.mark.parametrize(
    ("ticked", "names"),
    [
        (["model.layers.{}.self_attn.q_proj"], ("q_proj",)),
        (["model.layers.{}.self_attn.o_proj"], ("self_attn.o_proj",)),
        (["model.layers.{}.self_attn.o_proj", "model.layers.{}.cross_attn.o_proj"], ("o_proj",)),
        (["lm_head", "model.layers.{}.mlp.gate", "nonsense"], ()),
        ([], ()),
    ],
)
def test_ticked_boxes_become_the_shortest_names_that_reach_them_alone(ticked: list[str], names: tuple[str]) -> None:
    assert tree().named(ticked) == names


def test_names_written_by_ticking_reach_exactly_what_was_ticked() -> None:
    for ticked in ({"model.layers.{}.self_attn.o_proj"}, {"model.layers.{}.cross_attn.o_proj"}):
        again = tree(tree().named(ticked))
        assert {each.path for each in again.leaves if each.reached} == ticked


def test_a_name_that_would_reach_the_experts_as_well_is_not_offered() -> None:
    shared = [*MIXTURE, line("model.layers.{}.mlp.shared_expert.gate_proj", 4)]
    found = tree(modules=shared, renamed_targets={"gate_proj": "gate_up_proj"})
    assert "experts" in leaf(found, "shared_expert.gate_proj").why_not
    assert not leaf(found, "q_proj").why_not


def test_the_cost_is_that_of_the_rank_at_hand() -> None:
    assert (tree().trainable, tree().percent) == ("262 k", "2.6 %")
    assert tree().size == "1.0 MB"


@pytest.mark.parametrize("targets", ["all-linear", ".*self_attn.*"])
def test_a_text_is_shown_with_what_it_reaches(targets: str) -> None:
    found = tree(targets)
    assert found.is_text
    assert ("q_proj", 4) in found.reached_names


def test_without_a_look_into_the_model_the_names_of_its_family_stand_there() -> None:
    found = lora_tree({"lora_targets": ["c_attn"], "lora_modules": ["c_fc", "c_attn"]}, ("c_attn",), rank=8)
    assert found is not None and found.is_assumed
    assert [(each.name, each.ticked) for each in found.leaves] == [("c_attn", True), ("c_fc", False)]
    assert found.named(["c_fc"]) == ("c_fc",)


def test_nothing_known_is_no_tree() -> None:
    assert lora_tree({}, (), rank=8) is None


def test_ticking_writes_the_targets_into_the_form(person: Client) -> None:
    make_model("house/tiny-gpt2", family="GPT-2", chat=False)
    typed = {"model.name": "house/tiny-gpt2", "seen:model.name": "house/tiny-gpt2", "lora.target_modules": "q_proj"}
    paths = [each.path for each in page_tree(person.post("/jobs/check", typed)).leaves if each.name == "c_fc"]
    answer = person.post("/jobs/tick", typed | {"tick": paths}, headers={"HX-Request": "true"})
    assert answer.context["form"].typed["lora.target_modules"] == "c_fc"
    assert b'name="lora.target_modules" value="c_fc"' in answer.content


def page_tree(answer: Any) -> LoraTree:
    found: LoraTree = answer.context["page"].tree
    return found


def test_ticking_before_a_model_is_chosen_changes_nothing(person: Client) -> None:
    answer = person.post("/jobs/tick", {"lora.target_modules": "q_proj", "tick": "x"})
    assert answer.context["form"].typed["lora.target_modules"] == "q_proj"
