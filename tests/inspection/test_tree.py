"""What building a model without weights tells about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from models_catalog.inspection.tree import look_at_tree
from tests.architectures import WITH_TOWERS, tiny_config


def config(folder: Path, **values: Any) -> Path:
    (folder / "config.json").write_text(json.dumps(values))
    return folder


LLAMA = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 500,
    "max_position_embeddings": 128,
}  # fmt: skip


def test_the_facts_of_a_llama(tmp_path: Path) -> None:
    facts = look_at_tree(config(tmp_path, **LLAMA)).facts
    assert facts["lora_targets"] == ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    assert {name: facts[name] for name in ("hidden_size", "attention_width", "key_value_width", "vocabulary_size")} == {
        "hidden_size": 64, "attention_width": 64, "key_value_width": 32, "vocabulary_size": 500,
    }  # fmt: skip
    assert (facts["context_length"], facts["position_table"], facts["tied_embedding"]) == (128, False, "")
    assert (facts["unbuildable"], facts["untrainable"], facts["supports_checkpointing"]) == ("", "", True)
    assert (facts["packing_leaks"], facts["packing_needs"]) == (False, "")


def test_twins_in_all_layers_are_one_line(tmp_path: Path) -> None:
    lines = look_at_tree(config(tmp_path, **LLAMA)).facts["modules"]
    (line,) = [each for each in lines if each["path"].endswith("q_proj")]
    assert line == {
        "path": "model.layers.{}.self_attn.q_proj", "at": [[0, 2]], "kind": "linear", "inputs": 64, "outputs": 64,
    }  # fmt: skip


def test_facts_are_plain_json(tmp_path: Path) -> None:
    facts = look_at_tree(config(tmp_path, **LLAMA)).facts
    assert json.loads(json.dumps(facts)) == facts


def test_a_tied_embedding_is_named(tmp_path: Path) -> None:
    assert look_at_tree(config(tmp_path, **LLAMA, tie_word_embeddings=True)).facts["tied_embedding"] == "embed_tokens"


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no architecture": ({}, "does not say which architecture"),
    "an unknown one": ({"model_type": "newidea"}, "newidea, is not known to the installed transformers"),
    "code of its own": ({"model_type": "newidea", "auto_map": {"AutoConfig": "x.Y"}}, "which Foretune never runs"),
    "an encoder": ({"model_type": "vit"}, "does not write text"),
    "an encoder-decoder": ({"model_type": "t5"}, "encoder-decoder"),
    "heads that do not fit": ({**LLAMA, "num_attention_heads": 5}, "refuses its config.json"),
}


@pytest.mark.parametrize(("values", "why"), BROKEN.values(), ids=BROKEN)
def test_a_config_that_cannot_be_built_says_why(tmp_path: Path, values: dict[str, Any], why: str) -> None:
    part = look_at_tree(config(tmp_path, **values))
    assert why in part.facts["unbuildable"]
    assert [problem["code"] for problem in part.problems] == ["tree-unbuildable"]


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_config_that_cannot_be_read_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert look_at_tree(tmp_path).facts["unbuildable"].startswith("Its config.json ")


def test_code_of_strangers_is_not_run_where_transformers_knows_the_architecture(tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    folder = config(tmp_path, **LLAMA, auto_map={"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"})
    assert look_at_tree(folder).facts["unbuildable"] == ""


def test_a_damaged_config_never_raises(tmp_path: Path) -> None:
    for name in LLAMA:
        assert "unbuildable" in look_at_tree(config(tmp_path, **{**LLAMA, name: "nonsense"})).facts


BERT = {
    "model_type": "bert", "architectures": ["BertLMHeadModel"], "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 500, "max_position_embeddings": 128,
}  # fmt: skip


def test_a_model_that_reads_in_both_directions_cannot_learn_to_write(tmp_path: Path) -> None:
    assert "both directions" in look_at_tree(config(tmp_path, **BERT)).facts["untrainable"]


def test_the_same_model_as_a_decoder_reads_in_one(tmp_path: Path) -> None:
    assert "directions" not in look_at_tree(config(tmp_path, **BERT, is_decoder=True)).facts["untrainable"]


@pytest.mark.parametrize("kind", WITH_TOWERS)
def test_an_encoder_of_pictures_beside_a_language_model_gets_no_adapters(tmp_path: Path, kind: str) -> None:
    facts = look_at_tree(config(tmp_path, **tiny_config(kind).to_dict())).facts
    assert "model.vision_tower" in facts["towers"]
    assert not [line["path"] for line in facts["modules"] if "vision" in line["path"]]
    assert {"q_proj", "down_proj"} <= set(facts["lora_targets"])
    assert not {"fc1", "fc2", "out_proj", "linear"} & set(facts["lora_targets"])
    assert facts["position_table"] is False


def test_a_language_model_alone_has_no_towers(tmp_path: Path) -> None:
    assert look_at_tree(config(tmp_path, **LLAMA)).facts["towers"] == []
