"""What the trainer decides by itself, and the reason it gives."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from jobs.trainer.decisions import (
    Machine,
    Precision,
    SpecialTokens,
    choose_attention,
    choose_aux_loss,
    choose_checkpointing,
    choose_held_out,
    choose_intervals,
    choose_left_out,
    choose_padding,
    choose_precision,
    choose_targets,
)
from tests.trainer.test_arguments import settings

PROCESSOR = Machine("cpu", "a processor", bf16=False)
NEW_GPU = Machine("cuda", "NVIDIA H200", bf16=True)
OLD_GPU = Machine("cuda", "Tesla T4", bf16=False)


@pytest.mark.parametrize(
    ("machine", "lora", "asked", "weights", "autocast"),
    [
        (PROCESSOR, True, "auto", "float32", None),
        (PROCESSOR, True, "bf16", "float32", "bfloat16"),
        (NEW_GPU, True, "auto", "bfloat16", "bfloat16"),
        (NEW_GPU, False, "auto", "float32", "bfloat16"),
        (NEW_GPU, True, "fp32", "float32", None),
        (OLD_GPU, True, "auto", "float16", "float16"),
        (OLD_GPU, False, "auto", "float32", "float16"),
    ],
)
def test_trained_weights_are_never_halved(
    machine: Machine, lora: bool, asked: str, weights: str, autocast: str | None
) -> None:
    given = settings(training__precision=asked, lora__enabled=lora)
    precision = choose_precision(given, machine).value
    assert (precision.weights, precision.autocast) == (weights, autocast)


def test_the_name_of_the_machine_is_part_of_the_reason() -> None:
    assert "Tesla T4 has no bf16" in (choose_precision(settings(), OLD_GPU).reason or "")


def test_trl_is_always_told_which_precision_it_has() -> None:
    assert choose_precision(settings(), PROCESSOR).value.arguments == {"bf16": False, "fp16": False}
    assert choose_precision(settings(), OLD_GPU).value.arguments == {"bf16": False, "fp16": True}


def test_checkpointing_is_dropped_only_where_it_cannot_be_done() -> None:
    assert choose_checkpointing(settings(), supported=True) == choose_checkpointing(settings(), supported=True)
    assert choose_checkpointing(settings(), supported=True).value is True
    refused = choose_checkpointing(settings(), supported=False)
    assert (refused.value, "cannot" in (refused.reason or "")) == (False, True)
    assert choose_checkpointing(settings(training__gradient_checkpointing=False), supported=False).reason is None


def test_the_targets_that_were_asked_for_come_before_those_recommended() -> None:
    asked = settings(lora__target_modules=["c_attn"])
    assert choose_targets(asked, ["c_proj"]).value == ["c_attn"]
    assert choose_targets(settings(), ["c_proj"]).value == ["c_proj"]
    assert choose_targets(settings(), None).value == "all-linear"
    assert choose_targets(settings(lora__target_modules="all-linear"), ["c_proj"]).value == "all-linear"


@pytest.mark.parametrize(
    ("fraction", "rows", "held_out"), [(0, 100, 0), (0.1, 100, 10), (0.01, 20, 1), (0.5, 2, 1), (0.5, 1, 0)]
)
def test_some_rows_are_held_out_but_never_all(fraction: float, rows: int, held_out: int) -> None:
    assert choose_held_out(settings(data__eval_fraction=fraction), rows).value == held_out


def test_without_held_out_rows_nothing_is_evaluated_and_that_is_said() -> None:
    decision = choose_intervals(settings(training__early_stopping_patience=2), evaluates=False)
    assert decision.value == {"eval_strategy": "no", "save_strategy": "no"}
    assert "Early stopping is off" in (decision.reason or "")
    assert choose_intervals(settings(), evaluates=False).reason is None


def test_evaluation_comes_after_each_epoch_or_every_so_many_steps() -> None:
    assert choose_intervals(settings(), evaluates=True).value["eval_strategy"] == "epoch"
    every = choose_intervals(settings(training__eval_steps=5), evaluates=True).value
    assert (every["eval_strategy"], every["eval_steps"], every["save_strategy"]) == ("steps", 5, "no")


def test_with_early_stopping_a_checkpoint_follows_each_evaluation_that_is_the_best_so_far() -> None:
    given = settings(training__early_stopping_patience=2, training__eval_steps=5, training__save_steps=7)
    chosen = choose_intervals(given, evaluates=True).value
    assert (chosen["save_strategy"], chosen["eval_steps"], chosen["load_best_model_at_end"]) == ("best", 5, True)


def test_the_balance_loss_is_turned_off_only_where_it_would_crash() -> None:
    mixture = {"output_router_logits": False, "router_aux_loss_coef": 0.001, "num_experts_per_tok": 2}
    assert choose_aux_loss(SimpleNamespace(**mixture)).value == 0.0
    assert choose_aux_loss(SimpleNamespace(**mixture, num_experts=8)).value is None
    assert choose_aux_loss(SimpleNamespace(**mixture | {"router_aux_loss_coef": 0.0})).value is None
    assert choose_aux_loss(SimpleNamespace()).value is None


def test_no_adapter_goes_where_no_text_passes() -> None:
    pattern = choose_left_out(["model.vision_tower", "model.projector"]).value
    assert pattern is not None
    assert re.fullmatch(pattern, "model.vision_tower.layers.0.q_proj")
    assert re.fullmatch(pattern, "model.projector")
    assert not re.fullmatch(pattern, "model.language_model.layers.0.q_proj")
    assert not re.fullmatch(pattern, "model.projectors.q_proj")
    assert choose_left_out(()).value is None


@pytest.mark.parametrize(
    ("tokens", "padding"),
    [
        (SpecialTokens("</s>", "<pad>", 0, 500), "<pad>"),
        (SpecialTokens("</s>", None, None, 500), "</s>"),
        (SpecialTokens("</s>", "<extra>", 540, 500), "</s>"),
        (SpecialTokens(None, None, None, 500), "!"),
    ],
)
def test_padding_is_a_token_that_the_model_knows(tokens: SpecialTokens, padding: str) -> None:
    decision = choose_padding(tokens, fallback="!")
    assert decision.value == padding
    assert (decision.reason is None) == (padding == "<pad>")


HALF, FULL = Precision("bfloat16", "bfloat16"), Precision("float32", "bfloat16")
FLASH = "flash_attention_2"


@pytest.mark.parametrize(
    ("asked", "machine", "precision", "packages", "value", "said"),
    [
        (None, PROCESSOR, HALF, (), None, None),
        ("eager", PROCESSOR, HALF, (), "eager", None),
        (FLASH, PROCESSOR, HALF, ("flash_attn",), None, "does not train on a processor"),
        ("flex_attention", PROCESSOR, HALF, (), None, "does not train on a processor"),
        (FLASH, NEW_GPU, HALF, (), None, "the package flash_attn is not installed"),
        (FLASH, NEW_GPU, FULL, ("flash_attn",), None, "in 16 bits only"),
        (FLASH, NEW_GPU, HALF, ("flash_attn",), FLASH, "as config.json asks"),
        ("flex_attention", NEW_GPU, FULL, (), "flex_attention", "as config.json asks"),
    ],
)
def test_attention_that_cannot_run_here_is_replaced(asked, machine, precision, packages, value, said):
    decision = choose_attention(asked, machine, precision, packages)
    assert decision.value == value
    assert decision.reason is None if said is None else said in decision.reason
