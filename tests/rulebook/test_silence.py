"""Jobs that every rule must accept without a word."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.rulebook import read
from jobs.rulebook.rules.template import SHAPES

from .world import GOOD, LLAMA_TARGETS, SMOL, World, codes, spec

GPT2 = {"model.name": "gpt2", "data.dataset": "text", "data.strategy": "standard"}
DPO = {"training.method": "dpo", "data.dataset": "chat preference", "data.strategy": "chat"}
MIXTRAL = {"model.name": "mistralai/Mixtral-8x7B-v0.1", "data.dataset": "text", "data.strategy": "standard"}

CONTRACT_EXAMPLE = {
    "name": "support-bot",
    "model": {"name": SMOL, "revision": None},
    "data": {"dataset": "chat", "strategy": "chat", "eval_fraction": 0.0, "max_length": 1024, "packing": False,
             "bad_rows": "refuse"},
    "training": {"method": "sft", "num_epochs": 3, "max_steps": None, "batch_size": 4, "gradient_accumulation": 1,
                 "learning_rate": 0.0002, "seed": 42, "precision": "auto", "gradient_checkpointing": True, "beta": 0.1},
    "lora": {"enabled": True, "r": 16, "alpha": 32, "dropout": 0.0, "target_modules": ["q_proj", "v_proj"]},
    "quantization": "none",
}  # fmt: skip

ACCEPTED: dict[str, dict[str, Any]] = {
    "the contract's example": CONTRACT_EXAMPLE,
    "flat dotted names": dict(GOOD),
    "GPT-2 with its own modules": spec(**GPT2, **{"lora.target_modules": ["c_attn", "c_proj", "c_fc"]}),
    "GPT-2 on one module": spec(**GPT2, **{"lora.target_modules": ["c_attn"]}),
    "GPT-2 with recommended targets": spec(**GPT2),
    "phi-2 with its founding targets": spec(
        **{**GPT2, "model.name": "microsoft/phi-2", "lora.target_modules": ["q_proj", "v_proj", "k_proj", "dense"]}
    ),
    "DPO with its defaults": spec(**DPO),
    "DPO on plain rows": spec(**{"training.method": "dpo", "data.dataset": "text", "data.strategy": "standard"})
    | {"data": {"dataset": "preference plain", "strategy": "standard"}},
    "DPO at its own rate": spec(**DPO, **{"training.learning_rate": 5e-7}),
    "all linear layers": spec(**{"lora.target_modules": "all-linear"}),
    "all linear layers in capitals": spec(**{"lora.target_modules": "All-Linear"}),
    "a pattern that matches": spec(**{"lora.target_modules": r".*\.(q|v)_proj"}),
    "a pattern on endings": spec(**{"lora.target_modules": ".*_proj"}),
    "targets with their parents": spec(**{"lora.target_modules": ["self_attn.q_proj", "mlp.up_proj"]}),
    "one full path": spec(**{"lora.target_modules": ["model.layers.0.self_attn.q_proj"]}),
    "full fine-tuning": spec(**{"lora.enabled": False}),
    "full fine-tuning ignores LoRA's numbers": spec(
        **{"lora.enabled": False, "lora.r": 0, "lora.target_modules": ["x"]}
    ),
    "the lowest usual numbers": spec(
        **{"training.num_epochs": 1, "training.batch_size": 1, "lora.r": 8, "lora.alpha": 8}
    ),
    "the highest usual numbers": spec(
        **{"training.num_epochs": 10, "training.batch_size": 8, "lora.r": 64, "lora.alpha": 256}
    ),
    "an alpha of any size with rsLoRA": spec(**{"lora.use_rslora": True, "lora.alpha": 8}),
    "dropout where no expert is": spec(**{"lora.dropout": 0.1}),
    "dropout on a mixture's attention": spec(**MIXTRAL, **{"lora.dropout": 0.1}),
    "evaluation and early stopping": spec(
        **{"data.eval_fraction": 0.1, "training.eval_steps": 50, "training.early_stopping_patience": 3}
    ),
    "the one GPU that there is by default": spec(**{"training.num_processes": 1}),
    "a warm-up share": spec(**{"training.warmup_steps": 0.1}),
    "a warm-up of ten steps": spec(**{"training.warmup_steps": 10}),
    "a constant rate": spec(**{"training.lr_scheduler_type": "constant"}),
    "a constant rate after a warm-up": spec(
        **{"training.lr_scheduler_type": "constant_with_warmup", "training.warmup_steps": 10}
    ),
    "a strong decay at a low rate": spec(**{"training.weight_decay": 0.3, "training.learning_rate": 1e-5}),
    "any number of epochs, where steps are counted": spec(
        **{"training.num_epochs": 500, "training.max_steps": 100}
    ),
    "one step without a warm-up": spec(**{"training.max_steps": 1}),
    "packing where rows stay apart": spec(**{"data.packing": True}),
    "a length beyond short rows": spec(**{**GPT2, "data.max_length": 100_000}),
    "prompts and completions as messages": spec(**{"data.dataset": "chat pairs"}),
    "no checkpointing where there is none": spec(
        **{**GPT2, "model.name": "openai-community/openai-gpt", "data.max_length": 512,
           "training.gradient_checkpointing": False}
    ),
    "numbers as a form sends them": spec(
        **{"training.num_epochs": "3", "training.learning_rate": " 2e-4 ", "lora.enabled": "on", "lora.r": "16"}
    ),
    "empty fields of a form": spec(**{"training.max_steps": "", "lora.target_modules": "", "name": " "}),
}  # fmt: skip


@pytest.mark.parametrize("job", ACCEPTED.values(), ids=ACCEPTED)
def test_nothing_is_said_about(job: dict[str, Any]) -> None:
    assert [finding.message for finding in World().report(read(job))] == []


def test_ten_rows_are_enough_to_say_nothing() -> None:
    assert codes(World(changes={"rows": 10}).report(read(spec()))) == []


def test_packing_makes_fewer_rows_of_the_same_text() -> None:
    packed = World(changes={"rows_given": 812, "rows_prepared": 90})
    assert codes(packed.report(read(spec(**{"data.packing": True})))) == []


def test_bitsandbytes_makes_quantization_fine() -> None:
    quantized = read(spec(**{"quantization": "4bit", "training.optim": "adamw_8bit"}))
    assert codes(World(changes={"packages": ("bitsandbytes",)}).report(quantized)) == []


@pytest.mark.parametrize("precision", ["auto", "bf16", "fp32"])
def test_a_gpu_with_bf16_takes_every_usual_precision(precision: str) -> None:
    gpu = World(changes={"gpus": 1, "bf16": True})
    assert codes(gpu.report(read(spec(**{"training.precision": precision})))) == []


def test_a_machine_that_takes_jobs_is_not_worth_a_word() -> None:
    assert codes(World(changes={"nothing_starts": ""}).report(read(spec()))) == []
    waits = World(changes={"nothing_starts": "No machine takes jobs at present."}).report(read(spec()))
    assert [finding.message for finding in waits] == [
        "The job would wait in the queue. No machine takes jobs at present."
    ]


def test_two_gpus_train_together_where_there_are_two() -> None:
    two = World(changes={"gpus": 2, "gpu_memories": (24 * 10**9, 24 * 10**9), "gpu_memory": 24 * 10**9, "bf16": True})
    assert codes(two.report(read(spec(**{"training.num_processes": 2})))) == []


def test_as_many_gpus_as_one_person_may_hold_are_fine() -> None:
    limited = World(
        changes={"gpus": 4, "gpus_limit": 2, "gpu_memories": (24 * 10**9,) * 4, "gpu_memory": 24 * 10**9, "bf16": True}
    )
    assert limited.report(read(spec(**{"training.num_processes": 2}))).findings == ()


def test_as_many_rows_as_two_gpus_take_at_a_time_are_enough() -> None:
    exactly = World(changes={"gpus": 2, "rows": 16, "bf16": True})
    job = spec(**{"training.num_processes": 2, "training.batch_size": 8, "training.num_epochs": 3})
    assert codes(exactly.report(read(job))) == []


@pytest.mark.parametrize("precision", ["auto", "bf16", "fp16", "fp32"])
def test_a_processor_takes_every_precision(precision: str) -> None:
    assert codes(World().report(read(spec(**{"training.precision": precision})))) == []


def test_a_gated_model_with_a_token_is_only_a_download() -> None:
    gated = read(spec(**{"model.name": "meta-llama/Llama-3.2-1B", "data.dataset": "text", "data.strategy": "standard"}))
    assert codes(World(changes={"hub_token": True}).report(gated)) == ["cache.not-cached"]


def test_a_model_that_is_here_needs_nothing_of_the_hub() -> None:
    refused = World(changes={"unfetchable": "The hub knows no such model."})
    assert codes(refused.report(read(spec()))) == []


def test_all_seven_modules_of_a_llama_are_fine() -> None:
    assert codes(World().report(read(spec(**{"lora.target_modules": list(LLAMA_TARGETS)})))) == []


def test_a_chat_template_matters_to_chats_only() -> None:
    odd = {"template_problem": "line 1", "template_refuses": ("user",), "template_drops": ("assistant",),
           "template_alternates": True, "unalternating": 3, "template_end": "<|im_end|>"}  # fmt: skip
    assert codes(World(changes=odd).report(read(spec(**GPT2)))) == []


ODD_TEMPLATE = {
    "template_refuses_shapes": ("late-system", "two-users"), "template_drops_shapes": ("two-systems", "reasoning-last"),
    "template_ends": False, "template_prompt_cut": "<think>", "template_adds_system": "You are kind.",
    "template_adds_to_answer": "<think></think>", "template_tokens_beyond": ("<|im_end|>",),
}  # fmt: skip


def test_what_a_template_does_to_conversations_matters_to_no_text() -> None:
    everything = dict.fromkeys(SHAPES, 3)
    assert codes(World(changes={**ODD_TEMPLATE, "row_shapes": everything}).report(read(spec(**GPT2)))) == []


def test_kinds_of_rows_that_are_not_there_are_not_missed() -> None:
    picky = {"template_refuses_shapes": tuple(SHAPES), "template_drops_shapes": tuple(SHAPES)}
    assert codes(World(changes={**picky, "row_shapes": {"two-users": 0}}).report(read(spec()))) == []


def test_kinds_of_rows_that_a_template_takes_are_fine() -> None:
    assert codes(World(changes={"row_shapes": dict.fromkeys(SHAPES, 3), "unalternating": 3}).report(read(spec()))) == []


def test_a_late_system_turn_is_fine_where_only_users_and_assistants_must_alternate() -> None:
    strict = {"template_alternates": True, "unalternating": 3, "row_shapes": {"late-system": 3}}
    assert codes(World(changes=strict).report(read(spec()))) == []


def test_a_systems_own_text_is_fine_where_rows_bring_theirs() -> None:
    assert codes(World(changes={"template_adds_system": "You are kind.", "row_shapes": {}}).report(read(spec()))) == []


def test_a_prompt_that_is_cut_matters_only_where_it_is_no_part_of_the_answer() -> None:
    assert codes(World(changes={"template_prompt_cut": "<think>"}).report(read(spec()))) == []


def test_empty_reasoning_is_not_added_to_rows_that_reason() -> None:
    adds = {"template_adds_to_answer": "<think>\n\n</think>\n\n", "row_shapes": {"reasoning-last": 3}}
    assert codes(World(changes=adds).report(read(spec()))) == []


def test_what_stands_before_an_answer_may_be_more_than_reasoning() -> None:
    assert codes(World(changes={"template_adds_to_answer": "<|channel|>final<|message|>"}).report(read(spec()))) == []


def test_a_chat_needs_no_token_that_ends_a_text() -> None:
    assert codes(World(changes={"end_token": "", "text_tokens_beyond": ("</s>",)}).report(read(spec()))) == []


def test_roles_that_nobody_takes_are_not_missed() -> None:
    fussy = {"template_refuses": ("system",), "template_drops": ("tool",), "template_alternates": True}
    assert codes(World(changes=fussy).report(read(spec()))) == []


def test_packing_is_fine_where_its_package_is_installed() -> None:
    needy = World(changes={"packing_needs": "causal_conv1d", "packages": ("causal_conv1d",)})
    assert codes(needy.report(read(spec(**{"data.packing": True})))) == []


def test_a_length_that_means_all_of_a_row_is_fine() -> None:
    assert codes(World().report(read(spec(**{"data.max_length": 10**9})))) == []


def test_packing_to_a_great_length_is_fine_where_the_model_reads_as_much() -> None:
    reader = World(changes={"context_length": 2**20})
    assert codes(reader.report(read(spec(**{"data.packing": True, "data.max_length": 2**20})))) == []


def test_a_package_for_packing_is_not_missed_without_packing() -> None:
    assert codes(World(changes={"packing_needs": "causal_conv1d"}).report(read(spec()))) == []


def test_rows_that_fit_by_the_most_careful_count_are_not_cut() -> None:
    assert codes(World(changes={"token_ceiling": 1024 * 5 + 4}).report(read(spec()))) == []


def test_a_job_that_fits_its_gpu_or_its_machine_is_fine() -> None:
    gpu = {"gpus": 1, "bf16": True, "gpu_memory": 24 * 10**9}
    assert codes(World(changes=gpu).report(read(spec()))) == []
    assert codes(World(changes={"ram": 16 * 10**9}).report(read(spec()))) == []


def test_rows_that_were_called_too_long_before_are_not_counted_again() -> None:
    told = World(changes={"rows_full": 40, "rows_prepared": 812, "token_ceiling": 99_999})
    assert codes(told.report(read(spec()))) == ["length.rows-cut"]


def test_packed_rows_fill_what_is_kept_as_they_should() -> None:
    packed = World(changes={"rows_full": 40, "rows_prepared": 812})
    assert codes(packed.report(read(spec(**{"data.packing": True})))) == []


EARLIER = {
    "start_found": True, "start_state": "succeeded", "start_weights": True, "start_model": SMOL, "start_revision": "",
    "start_method": "sft",
    "start_lora": {"r": 16, "alpha": 32, "targets": sorted(LLAMA_TARGETS), "use_rslora": False, "use_dora": False},
}  # fmt: skip


def test_of_an_earlier_job_of_the_same_shape_only_the_new_schedule_is_told() -> None:
    (said,) = World(changes=EARLIER).report(read(spec(**{"training.start_from": 12})))
    assert said.code == "earlier.new-schedule"
    assert said.message.endswith("warm up over 0 steps, then linear from 0.0002 to 0 over 609 steps.")


def test_of_a_whole_model_that_is_trained_on_nothing_is_said_about_lora() -> None:
    whole = World(changes={**EARLIER, "start_lora": None})
    full = {"training.start_from": 12, "lora.enabled": False, "lora.r": 8}
    assert codes(whole.report(read(spec(**full)))) == ["earlier.new-schedule"]


def test_a_job_that_begins_with_no_other_is_not_asked_about_one() -> None:
    strange = {**EARLIER, "start_model": "gpt2", "start_method": "dpo", "start_found": False}
    assert codes(World(changes=strange).report(read(spec()))) == []


def test_dropout_matters_to_imitation_and_its_absence_to_nobody() -> None:
    for job in ({"lora.dropout": 0.1}, {"training.method": "dpo", "data.dataset": "chat preference"}):
        assert "lora.dropout-unused" not in codes(World().report(read(spec(**job))))
