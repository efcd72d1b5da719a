"""What a model's files say, whatever state they are in."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from models_catalog.config_numbers import numbers
from models_catalog.files import read_folder
from tests.make import write_model_files

from .folders import edit_json, write_shards, write_weights


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model_files(tmp_path / "model")
    return tmp_path / "model"


def modules(folder: Path, *names: str, shape: tuple[int, ...] = (4, 4)) -> tuple[set[str], set[str], set[str]]:
    write_weights(folder / "model.safetensors", *names, shape=shape)
    found = read_folder(folder).modules
    return (found.dense, found.experts, found.routers) if found else (set(), set(), set())


def test_a_complete_folder_lacks_nothing(folder: Path) -> None:
    files = read_folder(folder)
    assert (files.lacks, files.problems, files.model_type, files.architecture) == (
        (),
        (),
        "llama",
        "LlamaForCausalLM",
    )


def test_an_empty_folder_lacks_everything(tmp_path: Path) -> None:
    assert read_folder(tmp_path).lacks == (
        "config.json",
        "a tokenizer (tokenizer.json)",
        "weights (model.safetensors)",
    )


def test_a_missing_shard_is_named(folder: Path) -> None:
    write_shards(folder, missing=True)
    assert read_folder(folder).lacks == ("model-00002-of-00002.safetensors",)


def test_modules_of_all_shards_are_gathered(folder: Path) -> None:
    write_shards(folder)
    found = read_folder(folder).modules
    assert found is not None
    assert (found.dense, found.parameters) == ({"q_proj", "up_proj"}, 32)


def test_embeddings_norms_and_the_output_head_carry_no_lora(folder: Path) -> None:
    names = ("model.embed_tokens.weight", "transformer.wte.weight", "transformer.wpe.weight", "lm_head.weight")
    assert modules(folder, *names, "h.0.attn.c_attn.weight")[0] == {"c_attn"}
    assert modules(folder, "h.0.ln_1.weight", shape=(4,)) == (set(), set(), set())


def test_experts_and_routers_are_told_from_dense_modules(folder: Path) -> None:
    names = ("mlp.experts.0.up_proj.weight", "mlp.gate.weight", "mlp.shared_expert.down_proj.weight")
    assert modules(folder, *(f"model.layers.0.{name}" for name in names)) == ({"down_proj"}, {"up_proj"}, {"gate"})


def test_what_a_model_sees_with_carries_no_lora(folder: Path) -> None:
    assert modules(folder, "vision_tower.blocks.0.fc1.weight", "language_model.layers.0.q_proj.weight")[0] == {"q_proj"}


def test_packed_weights_tell_no_modules(folder: Path) -> None:
    edit_json(folder / "config.json", quantization_config={"quant_method": "gptq"})
    assert read_folder(folder).modules is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not a safetensors file"),
        (b"PK\x03\x04 a zip, and so a pickle", "is not a safetensors file"),
        (struct.pack("<Q", 2**60), "is not a safetensors file"),
        (struct.pack("<Q", 20) + b"{}", "is cut off"),
        (struct.pack("<Q", 2) + b"[]", "is not an object"),
        (struct.pack("<Q", 8) + b'{"a": 1}', "does not describe tensors"),
        (struct.pack("<Q", 40_000) + b"[" * 40_000, "cannot be read"),
    ],
)
def test_garbage_in_place_of_weights_is_reported(folder: Path, content: bytes, said: str) -> None:
    (folder / "model.safetensors").write_bytes(content)
    files = read_folder(folder)
    assert files.modules is None
    assert [problem for problem in files.problems if said in problem]


def test_weights_that_are_cut_off_are_reported(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    assert "is cut off" in read_folder(folder).problems[0]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"null"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_garbage_in_place_of_json_is_reported(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert name in read_folder(folder).problems[0]


@pytest.mark.parametrize("value", [None, "many", -1, 0, True, 1.5, [], {}])
def test_senseless_numbers_count_as_not_told(value: object) -> None:
    assert "layers" not in numbers({"num_hidden_layers": value})


def test_a_template_of_its_own_file_counts(folder: Path) -> None:
    edit_json(folder / "tokenizer_config.json", chat_template=None)
    assert read_folder(folder).has_template is False
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert read_folder(folder).has_template is True


def test_named_templates_count(folder: Path) -> None:
    edit_json(folder / "tokenizer_config.json", chat_template=[{"name": "default", "template": "{{ messages }}"}])
    assert read_folder(folder).has_template is True


def test_without_a_tokenizer_config_the_template_is_not_known(folder: Path) -> None:
    (folder / "tokenizer_config.json").unlink()
    assert read_folder(folder).has_template is None


def test_a_changed_file_is_read_again(folder: Path) -> None:
    assert read_folder(folder).model_type == "llama"
    edit_json(folder / "config.json", model_type="gpt2")
    os.utime(folder / "config.json", ns=(1, 1))
    assert read_folder(folder).model_type == "gpt2"


def test_an_unchanged_folder_is_not_read_again(folder: Path) -> None:
    assert read_folder(folder) is read_folder(folder)


def test_a_folder_that_is_none_says_nothing(tmp_path: Path) -> None:
    assert read_folder(tmp_path / "gone").names == frozenset()


def test_numbers_go_by_many_names() -> None:
    gpt2 = {"n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "vocab_size": 50257, "n_inner": None}
    assert numbers(gpt2) == {
        "hidden_size": 768,
        "layers": 12,
        "intermediate_size": 3072,
        "vocabulary_size": 50257,
        "context_length": 1024,
        "attention_width": 768,
        "key_value_width": 768,
    }


def test_fewer_key_and_value_heads_are_counted() -> None:
    smollm = {"hidden_size": 576, "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64}
    assert numbers(smollm)["key_value_width"] == 192
    assert numbers({"hidden_size": 4544, "num_attention_heads": 71, "multi_query": True})["key_value_width"] == 64


def test_the_part_about_text_is_read() -> None:
    assert numbers({"text_config": {"hidden_size": 2560}})["hidden_size"] == 2560
