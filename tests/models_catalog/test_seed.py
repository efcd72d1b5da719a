"""The catalogue that a new portal starts with."""

from __future__ import annotations

import pytest

from models_catalog.families import family_of
from models_catalog.models import BaseModel, ModelFamily
from models_catalog.seed import FAMILIES, MODELS, UNKNOWN
from models_catalog.validators import validate_model_name, validate_names, validate_patterns

pytestmark = pytest.mark.django_db
SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def test_every_family_and_model_is_loaded() -> None:
    assert ModelFamily.objects.count() == len(FAMILIES) >= 25
    assert BaseModel.objects.count() == len(MODELS) >= 40


def test_every_familys_targets_are_modules_of_it() -> None:
    swept = 0
    for family in ModelFamily.objects.exclude(name=UNKNOWN):
        assert set(family.lora_targets) <= set(family.lora_modules), family.name
        assert family.lora_targets, family.name
        swept += 1
    assert swept == len(FAMILIES) - 1


def test_every_familys_experts_are_modules_of_it() -> None:
    mixtures = [family for family in ModelFamily.objects.all() if family.expert_modules]
    assert len(mixtures) >= 5
    assert all(set(family.expert_modules) <= set(family.lora_modules) for family in mixtures)


def test_every_row_would_pass_the_admin() -> None:
    for family in ModelFamily.objects.all():
        validate_patterns(family.name_patterns)
        for names in (family.model_types, family.lora_targets, family.lora_modules, family.expert_modules):
            validate_names(names)
    for model in BaseModel.objects.all():
        validate_model_name(model.name)


def test_every_model_is_of_the_family_that_its_name_leads_to() -> None:
    wrong = [model.name for model in BaseModel.objects.all() if family_of(model.name) != model.family]
    assert wrong == []


def test_no_size_is_smaller_than_four_bits_a_parameter() -> None:
    for model in MODELS:
        assert 0.5 < model.size_bytes / model.parameters < 4.6, model.name


@pytest.mark.parametrize(
    ("family", "targets"),
    [
        ("GPT-2", ["c_attn", "c_proj"]),
        ("Llama", SEVEN),
        ("Mistral", SEVEN),
        ("Phi", ["q_proj", "k_proj", "v_proj", "dense"]),
        (UNKNOWN, ["q_proj", "k_proj", "v_proj", "o_proj"]),
    ],
)
def test_the_founding_targets_are_kept(family: str, targets: list[str]) -> None:
    assert sorted(ModelFamily.objects.get(name=family).lora_targets) == sorted(targets)


@pytest.mark.parametrize("family", ["GPT-2", "GPT-Neo", "GPT-J", "OPT", "Bloom", "Phi"])
def test_a_family_without_chat_is_listed_so(family: str) -> None:
    assert ModelFamily.objects.get(name=family).supports_chat is False


@pytest.mark.parametrize(
    ("name", "chat"),
    [
        ("microsoft/phi-2", False),
        ("microsoft/Phi-3-mini-4k-instruct", None),
        ("meta-llama/Llama-3.2-1B", False),
        ("meta-llama/Llama-3.2-1B-Instruct", None),
        ("google/gemma-2b", False),
        ("mistralai/Mistral-7B-v0.1", False),
        ("Qwen/Qwen2.5-0.5B", None),
    ],
)
def test_base_models_differ_from_their_family_where_they_do(name: str, chat: bool | None) -> None:
    assert BaseModel.objects.get(name=name).supports_chat is chat


def test_the_unknown_family_knows_no_modules() -> None:
    assert ModelFamily.objects.get(name=UNKNOWN).lora_modules == []


@pytest.mark.parametrize(
    ("name", "model_type", "family"),
    [
        ("house/anything", "gpt2", "GPT-2"),
        ("house/SmolLM2-135M-tuned", "llama", "SmolLM"),
        ("house/anything", "llama", "Llama"),
        ("house/my-gpt2", "", "GPT-2"),
        ("EleutherAI/gpt-neox-20b", "", "GPT-NeoX / Pythia"),
        ("Qwen/Qwen3-30B-A3B-Base", "", "Qwen3 MoE"),
        ("house/my-gpt2", "brand_new", UNKNOWN),
        ("house/anything", "", UNKNOWN),
    ],
)
def test_a_family_is_found_by_type_first_and_name_second(name: str, model_type: str, family: str) -> None:
    assert family_of(name, model_type).name == family
