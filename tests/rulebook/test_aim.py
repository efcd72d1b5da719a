"""LoRA targets judged on the modules of the model itself."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.rulebook import Finding, check
from jobs.rulebook.targets import recommend
from jobs.rulebook.tree import read_modules

from .trees import GPT2, LLAMA, MAMBA, MIXTRAL, QWEN_MOE


def facts(tree: Any, targets: Any, **more: Any) -> dict[str, Any]:
    known = read_modules(**tree)
    linear = [each.leaf for each in known.modules if each.is_linear and each.role == ""]
    return {
        "modules": tree["modules"],
        "renamed_targets": tree["renamed"],
        "lora_modules": tuple(dict.fromkeys(linear)),
        "lora_targets": recommend(known),
        "expert_modules": tuple(tree["renamed"]),
        "unfit_modules": tuple(each.leaf for each in known.modules if each.is_linear and each.role == "unfit"),
        "tied_embedding": "wte" if tree is GPT2 else "",
        "model": "a model",
        "target_modules": targets,
        "lora_r": 16,
        "lora_dropout": 0.0,
        "use_dora": False,
        **more,
    }


def findings(known: dict[str, Any]) -> list[Finding]:
    return [each for each in check(known) if each.code.startswith("lora.")]


JUDGED: dict[str, tuple[Any, Any, list[str]]] = {
    "a full list": (LLAMA, ("q_proj", "v_proj"), []),
    "a path of one layer": (LLAMA, ("layers.3.self_attn.q_proj",), []),
    "a path as a text": (LLAMA, "model.layers.0.self_attn.q_proj", []),
    "all-linear": (LLAMA, "all-linear", []),
    "a pattern with a look ahead": (LLAMA, r"(?!.*layers\.0\.).*_proj", []),
    "a pattern on some layers": (LLAMA, r"model\.layers\.[0-9]\..*_proj", []),
    "positions": (GPT2, ("c_attn", "wpe"), []),
    "a mixture's attention": (MIXTRAL, ("q_proj", "k_proj", "v_proj", "o_proj"), []),
    "a state space": (MAMBA, ("in_proj", "x_proj"), []),
    "a partly foreign list": (LLAMA, ("q_proj", "c_attn"), ["lora.partly-unknown-target"]),
    "a foreign list": (GPT2, ("q_proj", "v_proj"), ["lora.unknown-target"]),
    "a layer that is not there": (LLAMA, ("layers.99.self_attn.q_proj",), ["lora.unknown-target"]),
    "a parent that is not its own": (LLAMA, ("mlp.q_proj", "v_proj"), ["lora.partly-unknown-target"]),
    "Llama's names on Mixtral": (
        MIXTRAL,
        ("q_proj", "k_proj", "gate_proj", "up_proj", "down_proj"),
        ["lora.partly-unknown-target"],
    ),
    "a block": (LLAMA, ("self_attn",), ["lora.unsupported-target"]),
    "a norm": (LLAMA, ("q_proj", "input_layernorm"), ["lora.unsupported-target"]),
    "a pattern of everything": (LLAMA, ".*", ["lora.unsupported-target"]),
    "a broken pattern": (LLAMA, ".*(q_proj", ["lora.pattern-invalid"]),
    "a pattern without a path": (LLAMA, "(q|v)_proj$", ["lora.pattern-matches-nothing"]),
    "a text of names": (LLAMA, "q_proj,v_proj", ["lora.targets-as-text"]),
    "a pattern of the head": (LLAMA, r"lm_head|.*\.q_proj", ["lora.output-head"]),
    "the head": (LLAMA, ("q_proj", "lm_head"), ["lora.output-head"]),
    "the tied embedding": (GPT2, ("c_attn", "wte"), ["lora.tied-embedding"]),
    "the tied embedding by its path": (GPT2, ("transformer.wte",), ["lora.tied-embedding"]),
    "a layer that is bypassed": (MAMBA, ("in_proj", "dt_proj"), ["lora.unfit-target"]),
    "a layer that PEFT refuses": (MAMBA, ("in_proj", "out_proj"), ["lora.unfit-target"]),
    "all-linear of a state space": (MAMBA, "all-linear", ["lora.all-linear-unfit"]),
    "half a pair": (MIXTRAL, ("w1", "w2"), ["lora.half-expert-pair"]),
    "half a pair by a pattern": (QWEN_MOE, r".*\.gate_proj", ["lora.half-expert-pair"]),
    "experts": (MIXTRAL, ("w1", "w2", "w3"), ["lora.experts-targeted"]),
    "all-linear of a mixture": (QWEN_MOE, "all-linear", ["lora.experts-targeted"]),
    "a router": (MIXTRAL, ("q_proj", "gate"), ["lora.router-targeted"]),
}


@pytest.mark.parametrize(("tree", "targets", "codes"), JUDGED.values(), ids=JUDGED)
def test_targets_are_judged_by_the_modules_they_reach(tree: Any, targets: Any, codes: list[str]) -> None:
    assert [each.code for each in findings(facts(tree, targets))] == codes


@pytest.mark.parametrize(("tree", "targets", "codes"), JUDGED.values(), ids=JUDGED)
def test_every_cure_of_a_judged_target_leads_to_silence(tree: Any, targets: Any, codes: list[str]) -> None:
    for finding in findings(facts(tree, targets)):
        for fix in finding.fixes:
            (cured,) = fix.changes.values()
            after = [each.code for each in findings(facts(tree, cured))]
            assert finding.code not in after, fix
            assert set(after) <= {"lora.experts-targeted"}, fix


def test_a_partial_list_says_how_many_modules_each_name_reaches() -> None:
    (error,) = findings(facts(LLAMA, ("q_proj", "v_proj", "c_attn")))
    assert "q_proj × 32 and v_proj × 32" in error.message


def test_a_misspelt_name_is_cured_with_the_one_that_was_meant() -> None:
    (error,) = findings(facts(LLAMA, ("q_pro", "v_proj")))
    assert error.fix is not None
    assert error.fix.changes == {"lora.target_modules": ("q_proj", "v_proj")}


def test_a_block_is_cured_with_what_is_in_it() -> None:
    (error,) = findings(facts(LLAMA, ("self_attn", "up_proj")))
    assert error.fix is not None
    assert error.fix.changes == {"lora.target_modules": ("q_proj", "k_proj", "v_proj", "o_proj", "up_proj")}


def test_all_experts_are_told_in_parameters() -> None:
    (warning,) = findings(facts(QWEN_MOE, "all-linear"))
    assert "3.9 B parameters that would be trained" in warning.message


@pytest.mark.parametrize(
    ("setting", "code"),
    [({"lora_dropout": 0.1}, "lora.experts-dropout"), ({"use_dora": True}, "lora.experts-dora")],
)
def test_experts_take_neither_dropout_nor_dora(setting: dict[str, Any], code: str) -> None:
    assert code in [each.code for each in findings(facts(MIXTRAL, "all-linear", **setting))]
    assert findings(facts(MIXTRAL, ("q_proj",), **setting)) == []


def test_what_the_family_says_counts_for_nothing_beside_the_modules() -> None:
    known = facts(LLAMA, ("q_proj", "v_proj"))
    assert findings({**known, "lora_modules": ("c_attn",)}) == []


def test_a_name_is_not_corrected_to_one_that_carries_no_adapter() -> None:
    (error,) = check(facts(MAMBA, ("in_proj_", "out_proj_"))).errors
    offered = [fix.changes["lora.target_modules"] for fix in error.fixes]
    assert offered and not any("out_proj" in names for names in offered)
