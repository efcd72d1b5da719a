"""Facts of a model: files beat the family row, and where they differ it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from jobs.rulebook.vocabulary import FACTS, Source
from models_catalog.catalogue import choices, find, model_facts
from models_catalog.models import BaseModel, ModelFamily
from tests.make import make_family, make_model

from .folders import edit_json, make_cached, make_hub_model, write_weights

pytestmark = pytest.mark.django_db
PROJECTIONS = ("model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.v_proj.weight")
SEVEN = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def folder_of(model: BaseModel) -> Path:
    return Path(model.path)


def test_every_fact_is_one_of_the_vocabulary() -> None:
    model = make_model(chat=False)
    make_model("house/other")
    facts = model_facts(model.name)
    of_models = {name for name, fact in FACTS.items() if fact.source is Source.MODEL}
    assert facts.keys() <= of_models
    assert len(facts) > 25


def test_a_model_of_the_hub_is_known_from_its_rows() -> None:
    facts = model_facts("openai-community/gpt2")
    assert facts["lora_modules"] == ("c_attn", "c_proj", "c_fc")
    assert (facts["supports_chat"], facts["position_table"], facts["context_length"]) == (False, True, 1024)
    assert (facts["model_cache"], facts["bytes_to_fetch"]) == ("absent", 548_105_171)
    assert "hidden_size" not in facts
    assert "unsafe_weights" not in facts


def test_an_unknown_name_gives_near_ones() -> None:
    facts = model_facts("openai/gpt-2")
    assert facts["model_listed"] is False
    assert facts["similar_models"][0] == "openai-community/gpt2"
    assert model_facts("xyzzy")["similar_models"] == ()


@pytest.mark.parametrize("name", ["gpt2", "GPT2", "openai-community/gpt2"])
def test_the_name_without_its_owner_is_enough(name: str) -> None:
    assert find(name) == BaseModel.objects.get(name="openai-community/gpt2")


@pytest.mark.parametrize("name", ["", "\0", "/gpt2", "%", "pt2", "_" * 300, "x" * 1_000_000])
def test_other_names_find_nothing(name: str) -> None:
    assert find(name) is None


def test_a_name_that_two_owners_have_finds_nothing() -> None:
    make_hub_model("acme/gpt2")
    assert find("gpt2") is None


def test_a_familys_change_counts_at_once() -> None:
    assert model_facts("openai-community/gpt2")["lora_targets"] == ("c_attn", "c_proj")
    ModelFamily.objects.filter(name="GPT-2").update(lora_targets=["c_attn"], supports_chat=True)
    facts = model_facts("openai-community/gpt2")
    assert (facts["lora_targets"], facts["supports_chat"]) == (("c_attn",), True)


def test_files_beat_the_family() -> None:
    model = make_model(chat=False, supports_chat=None, family="Llama")
    edit_json(folder_of(model) / "config.json", max_position_embeddings=512)
    facts = model_facts(model.name)
    assert (facts["supports_chat"], facts["context_length"], facts["hidden_size"]) == (False, 512, 8)
    assert facts["lora_modules"] == SEVEN


def test_files_of_another_family_bring_its_facts() -> None:
    model = make_model(family="GPT-2")
    model.family = make_family("Llama")
    model.save()
    facts = model_facts(model.name)
    assert facts["family"] == "GPT-2"
    assert facts["lora_targets"] == ("c_attn", "c_proj")
    assert "says gpt2, which belongs to GPT-2" in facts["disagreements"][0]


def test_each_disagreement_is_a_sentence() -> None:
    model = make_model(chat=False, supports_chat=True, context_length=4096)
    write_weights(folder_of(model) / "model.safetensors", "model.layers.0.self_attn.q_proj.weight")
    chat, context, targets = model_facts(model.name)["disagreements"]
    assert "has no chat template, but the catalogue lists it with a chat template" in chat
    assert "reads 2,048 tokens, but the catalogue lists 4,096" in context
    assert "recommends k_proj, v_proj, o_proj" in targets


def test_files_and_rows_that_agree_say_nothing() -> None:
    assert model_facts(make_model().name)["disagreements"] == ()


def test_unreadable_files_are_said_and_the_family_is_used() -> None:
    model = make_model()
    (folder_of(model) / "model.safetensors").write_bytes(b"garbage!")
    facts = model_facts(model.name)
    assert facts["lora_modules"] == SEVEN
    assert "not a safetensors file" in facts["disagreements"][0]
    assert "Fetch it again" in facts["untrainable"]


def test_recommended_targets_are_modules_the_model_has() -> None:
    model = make_model()
    write_weights(folder_of(model) / "model.safetensors", "model.layers.0.self_attn.q_proj.weight")
    assert model_facts(model.name)["lora_targets"] == ("q_proj",)


def test_a_model_of_no_family_is_trained_on_what_it_has() -> None:
    model = make_model("house/odd", family="Unknown")
    edit_json(folder_of(model) / "config.json", model_type="odd")
    write_weights(folder_of(model) / "model.safetensors", "blocks.0.mix.weight", "blocks.0.out.weight")
    facts = model_facts(model.name)
    assert (facts["family"], facts["lora_targets"]) == ("Unknown", ("mix", "out"))


def test_experts_are_modules_where_peft_reaches_them() -> None:
    model = make_model("house/moe", family="Qwen3 MoE")
    edit_json(folder_of(model) / "config.json", model_type="qwen3_moe")
    names = ("self_attn.q_proj", "mlp.experts.0.up_proj", "mlp.experts.0.gate_proj", "mlp.gate")
    write_weights(folder_of(model) / "model.safetensors", *(f"model.layers.0.{name}.weight" for name in names))
    facts = model_facts(model.name)
    assert set(facts["lora_modules"]) == {"q_proj", "gate_proj", "up_proj", "down_proj", "gate"}
    assert facts["lora_targets"] == ("q_proj",)


def test_experts_are_no_modules_where_peft_does_not_reach_them() -> None:
    model = make_model("house/oss", family="GPT-OSS")
    edit_json(folder_of(model) / "config.json", model_type="gpt_oss")
    names = ("self_attn.q_proj", "mlp.experts.0.up_proj", "mlp.router")
    write_weights(folder_of(model) / "model.safetensors", *(f"model.layers.0.{name}.weight" for name in names))
    assert model_facts(model.name)["lora_modules"] == ("q_proj",)


def test_modules_that_learn_nothing_are_left_out() -> None:
    model = make_model("house/mamba", family="Mamba")
    edit_json(folder_of(model) / "config.json", model_type="mamba", architectures=["MambaForCausalLM"])
    names = (f"backbone.layers.0.mixer.{name}.weight" for name in ("in_proj", "x_proj", "dt_proj", "out_proj"))
    write_weights(folder_of(model) / "model.safetensors", *names)
    assert model_facts(model.name)["lora_modules"] == ("in_proj", "x_proj")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architectures": ["LlamaForSequenceClassification"]}, "does not write text"),
        ({"architectures": None}, "does not name the class"),
        ({"is_encoder_decoder": True}, "encoder-decoder"),
        ({"model_type": "odd", "auto_map": {"AutoModelForCausalLM": "odd.Odd"}}, "code that comes with the model"),
        ({"model_type": "llama4_text"}, "TRL cannot read"),
        ({"num_hidden_layers": 2}, "Its weights have 1 layer, but its config.json says 2"),
        ({}, ""),
    ],
)
def test_what_cannot_be_trained_is_said(changes: dict[str, object], said: str) -> None:
    model = make_model()
    edit_json(folder_of(model) / "config.json", **changes)
    untrainable = model_facts(model.name)["untrainable"]
    assert said in untrainable
    assert bool(said) == bool(untrainable)


def test_a_chat_model_at_hand_is_offered() -> None:
    plain = make_model("house/plain", chat=False)
    assert "chat_model" not in model_facts(plain.name)
    make_model("house/talks")
    assert model_facts(plain.name)["chat_model"] == "house/talks"
    assert "chat_model" not in model_facts("house/talks")


def test_a_cached_model_is_known_from_its_snapshot(settings: Settings) -> None:
    make_hub_model(context_length=99)
    make_cached(settings.HUB_CACHE_DIR)
    facts = model_facts("acme/tiny-llama")
    assert (facts["model_cache"], facts["context_length"], facts["unsafe_weights"]) == ("cached", 2048, False)


def test_the_selector_offers_models_at_hand_first() -> None:
    make_model()
    first, *others = choices()
    assert (first.name, first.cache) == ("house/tiny-chat", "local")
    assert first.label.startswith("house/tiny-chat · ✓ cached · ")
    assert first.label.endswith(" · chat · q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj")
    gpt2 = next(choice for choice in others if choice.name == "openai-community/gpt2")
    assert gpt2.label == "openai-community/gpt2 · ⬇ 548.1 MB to download · 548.1 MB · no chat · c_attn, c_proj"


def test_a_check_asks_the_database_little(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    make_model()
    with django_assert_max_num_queries(4):  # the model, what was found in it, the look that was tried, and once more
        model_facts("house/tiny-chat")


def test_an_embedding_is_a_module_where_the_head_is_another() -> None:
    model = make_model()
    write_weights(folder_of(model) / "model.safetensors", "model.embed_tokens.weight", "lm_head.weight", *PROJECTIONS)
    facts = model_facts(model.name)
    assert (facts["tied_embedding"], facts["lora_modules"]) == ("", ("q_proj", "v_proj", "embed_tokens"))
    assert facts["lora_targets"] == ("q_proj", "v_proj")


def test_an_embedding_that_is_also_the_head_is_told() -> None:
    model = make_model()
    write_weights(folder_of(model) / "model.safetensors", "model.embed_tokens.weight", *PROJECTIONS)
    facts = model_facts(model.name)
    assert (facts["tied_embedding"], facts["lora_modules"]) == ("embed_tokens", ("q_proj", "v_proj"))


@pytest.mark.parametrize(
    ("kind", "unfit"),
    [("mamba", ("dt_proj", "out_proj")), ("jamba", ("dt_proj",)), ("phimoe", ("router",)), ("llama", ())],
)
def test_modules_that_all_linear_must_not_reach_are_told(kind: str, unfit: tuple[str, ...]) -> None:
    model = make_model()
    edit_json(folder_of(model) / "config.json", model_type=kind)
    assert model_facts(model.name)["unfit_modules"] == unfit


def test_without_files_the_family_tells_what_all_linear_must_not_reach() -> None:
    model = make_hub_model("state-spaces/mamba-130m-hf", family="Mamba")
    assert model_facts(model.name)["unfit_modules"] == ("dt_proj", "out_proj")


@pytest.mark.parametrize(("told", "fits"), [({}, False), ({"num_nextn_predict_layers": 1}, True)])
def test_a_layer_that_config_json_does_not_count_would_be_dropped(told: dict[str, object], fits: bool) -> None:
    model = make_model()
    second = [name.replace("layers.0", "layers.1") for name in PROJECTIONS]
    tower = "model.vision_tower.layers.30.mlp.fc1.weight"
    write_weights(folder_of(model) / "model.safetensors", *PROJECTIONS, *second, tower)
    edit_json(folder_of(model) / "config.json", **told)
    assert bool(model_facts(model.name)["untrainable"]) is not fits
