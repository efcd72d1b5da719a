"""The founding lessons: mistakes that once cost somebody a run."""

from __future__ import annotations

import time
from typing import Any

import pytest

from jobs.rulebook import Finding, Report, Severity, read

from .world import SMOL, World, ask, codes, spec

GPT2_TEXT = {"model.name": "gpt2", "data.dataset": "text", "data.strategy": "standard"}


def only(report: Report, code: str) -> Finding:
    """The one finding with this code."""
    (finding,) = [each for each in report if each.code == code]
    return finding


def targets(names: Any, **changes: Any) -> Report:
    return ask(**changes, **{"lora.target_modules": names})


# Required


@pytest.mark.parametrize("path", ["model.name", "training.method", "data.dataset", "data.strategy"])
def test_what_is_missing_is_required(path: str) -> None:
    (error,) = ask(**{path: None}).errors
    assert error.field == path
    assert error.message.startswith(f"{path} is required")


def test_an_empty_job_lacks_all_four_and_nothing_else() -> None:
    report = World().report(read({}))
    assert [error.field for error in report] == ["model.name", "training.method", "data.dataset", "data.strategy"]


def test_an_unreadable_method_is_not_also_missing() -> None:
    assert codes(ask(**{"training.method": "ppo"})) == ["specification.unreadable"]


def test_a_misspelt_key_is_not_also_missing() -> None:
    report = ask(**{"model.name": None, "model.nmae": SMOL})
    assert codes(report) == ["specification.unknown-key"]
    assert only(report, "specification.unknown-key").fix is not None


def test_the_strategy_is_suggested_by_the_rows() -> None:
    chat, text = ask(**{"data.strategy": None}), ask(**{"data.strategy": None, "data.dataset": "text"})
    assert [each.fix.changes for report in (chat, text) for each in report if each.fix] == [
        {"data.strategy": "chat"},
        {"data.strategy": "standard"},
    ]


# LoRA targets


def test_llama_targets_on_gpt2_are_cured_with_its_own() -> None:
    error = only(targets(["q_proj", "v_proj", "k_proj", "dense"], **GPT2_TEXT), "lora.unknown-target")
    assert error.field == "lora.target_modules"
    assert error.fix is not None
    assert error.fix.as_dict()["changes"] == {"lora.target_modules": ["c_attn", "c_proj"]}


def test_a_partly_matching_list_is_an_error_that_keeps_what_matches() -> None:
    error = only(targets(["q_proj", "v_proj", "c_attn"]), "lora.partly-unknown-target")
    assert [fix.changes["lora.target_modules"][:2] for fix in error.fixes] == [
        ("q_proj", "v_proj"),
        ("q_proj", "k_proj"),
    ]


def test_a_mostly_foreign_list_is_replaced_rather_than_kept() -> None:
    error = only(targets(["q_proj", "c_attn", "c_proj"]), "lora.partly-unknown-target")
    assert error.fix is not None
    assert len(error.fix.changes["lora.target_modules"]) == 7


WRONG_TARGETS: dict[str, tuple[Any, str, Any]] = {
    "empty": ([], "lora.no-targets", 7),
    "an empty name": ([""], "lora.no-targets", 7),
    "a blank after a name": (["q_proj ", "v_proj"], "lora.untidy-target", ("q_proj", "v_proj")),
    "two names in one": (["q_proj, v_proj"], "lora.untidy-target", ("q_proj", "v_proj")),
    "another case": (["Q_PROJ", "v_proj"], "lora.target-case", ("q_proj", "v_proj")),
    "the output head": (["q_proj", "lm_head"], "lora.output-head", ("q_proj",)),
    "only the output head": (["lm_head"], "lora.output-head", 7),
    "all-linear in a list": (["all-linear"], "lora.all-linear-in-list", "all-linear"),
    "all-linear beside a name": (["q_proj", "all-linear"], "lora.all-linear-in-list", "all-linear"),
    "a text of names": ("q_proj,v_proj", "lora.targets-as-text", ("q_proj", "v_proj")),
    "a text of one name": ("q_proj", "lora.targets-as-text", ("q_proj",)),
    "a text of foreign names": ("c_attn, c_fc", "lora.targets-as-text", 7),
    "all_linear": ("all_linear", "lora.targets-as-text", "all-linear"),
    "a pattern without a path": ("(q|v)_proj$", "lora.unchecked-pattern", 7),
    "a pattern of everything": (".*", "lora.unchecked-pattern", 7),
    "a pattern with an empty choice": (".*(q_proj|)", "lora.unchecked-pattern", 7),
    "a pattern that misses": (r".*\.(query|value)", "lora.pattern-matches-nothing", 7),
    "a twice named module": (["q_proj", "v_proj", "q_proj"], "lora.duplicate-target", ("q_proj", "v_proj")),
    "a near miss": (["q_pro"], "lora.unknown-target", 7),
    "a weight's name": (["q_proj.weight"], "lora.unknown-target", 7),
    "a container": (["self_attn"], "lora.unknown-target", 7),
}


@pytest.mark.parametrize(("given", "code", "cured"), WRONG_TARGETS.values(), ids=WRONG_TARGETS)
def test_wrong_targets_are_one_finding_with_the_right_cure(given: Any, code: str, cured: Any) -> None:
    (finding,) = targets(given)
    assert finding.code == code
    assert finding.fix is not None
    offered = finding.fix.changes["lora.target_modules"]
    assert (len(offered) if isinstance(cured, int) else offered) == cured


@pytest.mark.parametrize("modules", [None, ("q_proj", "lm_head")])
def test_the_output_head_is_never_kept(modules: Any) -> None:
    unknown_model = World(changes={"lora_modules": modules})
    error = only(unknown_model.report(read(spec(**{"lora.target_modules": ["q_proj", "lm_head"]}))), "lora.output-head")
    assert error.fix is not None
    assert error.fix.changes == {"lora.target_modules": ("q_proj",)}


def test_expert_matrices_take_no_dropout() -> None:
    mixtral = {"model.name": "mistralai/Mixtral-8x7B-v0.1", "data.dataset": "text", "data.strategy": "standard"}
    report = targets(["q_proj", "w1", "w2", "w3"], **mixtral, **{"lora.dropout": 0.05})
    assert codes(report) == ["lora.experts-dropout", "lora.experts-targeted"]


def test_the_seven_llama_names_on_mixtral_match_only_partly() -> None:
    mixtral = {"model.name": "mistralai/Mixtral-8x7B-v0.1", "data.dataset": "text", "data.strategy": "standard"}
    report = targets(["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"], **mixtral)
    assert codes(report) == ["lora.partly-unknown-target"]


# Chat template, format and strategy


def test_chat_on_gpt2_with_plain_text_is_cured_by_standard() -> None:
    report = ask(**{"model.name": "gpt2", "data.dataset": "text", "data.strategy": "chat"})
    error = only(report, "strategy.no-chat-template")
    assert [fix.changes for fix in error.fixes] == [{"data.strategy": "standard"}]


def test_conversations_on_gpt2_need_another_model_or_conversion() -> None:
    error = only(ask(**{"model.name": "gpt2"}), "strategy.no-chat-template")
    another, convert = error.fixes
    assert another.changes["model.name"] == SMOL
    assert another.changes["lora.target_modules"] is None
    assert convert.changes == {"data.strategy": "standard"}
    assert convert.action is not None
    assert convert.action.as_dict() == {"name": "convert-dataset", "to": "text"}


def test_messages_with_standard_are_a_mismatch_with_both_cures() -> None:
    (error,) = ask(**{"data.strategy": "standard"}).errors
    assert error.message.startswith("Dataset has 'messages' field but strategy is not 'chat'")
    change, convert = error.fixes
    assert change.changes == {"data.strategy": "chat"}
    assert convert.action is not None


def test_messages_with_standard_on_gpt2_do_not_offer_chat_there() -> None:
    error = only(ask(**{"model.name": "gpt2", "data.strategy": "standard"}), "strategy.needs-chat")
    assert {"data.strategy": "chat"} not in [fix.changes for fix in error.fixes]


def test_text_with_chat_is_the_reverse_mismatch() -> None:
    (error,) = ask(**{"data.dataset": "text"}).errors
    assert error.message.startswith("Dataset has 'text' field but strategy is not 'standard'")


def test_plain_pairs_with_chat_can_also_become_messages() -> None:
    (error,) = ask(**{"data.dataset": "pairs"}).errors
    assert [fix.action and fix.action.arguments for fix in error.fixes] == [None, {"to": "messages"}]


def test_dpo_needs_preference_rows() -> None:
    (error,) = ask(**{"training.method": "dpo"}).errors
    assert (error.code, error.field) == ("strategy.dpo-needs-preference", "training.method")


def test_preference_rows_are_not_turned_into_text_for_dpo() -> None:
    dpo = read(spec(**{"training.method": "dpo", "data.dataset": "chat preference", "data.strategy": "standard"}))
    error = only(World(changes={"convertible_to": ("text",)}).report(dpo), "strategy.needs-chat")
    assert [fix.changes for fix in error.fixes] == [{"data.strategy": "chat"}]


def test_sft_must_not_get_preference_rows() -> None:
    (error,) = ask(**{"data.dataset": "chat preference"}).errors
    assert [fix.label.split()[0] for fix in error.fixes] == ["Use", "Convert"]


# Numbers

ZERO_OR_WORSE = ["training.num_epochs", "training.batch_size", "training.learning_rate", "lora.r"]


@pytest.mark.parametrize("path", ZERO_OR_WORSE)
@pytest.mark.parametrize(
    "value", [0, -1, "nan", "inf", "1e400", float("nan"), float("inf"), "many", 10**400, [], {}, True]
)
def test_a_senseless_number_is_one_error_with_a_cure(path: str, value: Any) -> None:
    (error,) = World().report(read({**spec(), path: value})).errors
    assert error.field == path
    assert error.fix is not None
    assert error.fix.changes[path] > 0


@pytest.mark.parametrize("value", [0, "0", 0.0, -0.0, "nan", "inf", "many", [], True])
def test_an_alpha_that_learns_nothing_is_one_error_with_a_cure(value: Any) -> None:
    (error,) = World().report(read({**spec(), "lora.alpha": value})).errors
    assert (error.field, error.fix and error.fix.changes) == ("lora.alpha", {"lora.alpha": 32})


@pytest.mark.parametrize("path", [*ZERO_OR_WORSE, "lora.alpha"])
def test_a_huge_number_is_an_error(path: str) -> None:
    assert [error.field for error in ask(**{path: 10**17}).errors] == [path]


UNUSUAL = [
    ("training.num_epochs", 0.5, 1), ("training.num_epochs", 11, 10), ("training.batch_size", 9, 8),
    ("training.learning_rate", 9e-6, 1e-5), ("training.learning_rate", 6e-4, 5e-4),
    ("lora.r", 4, 8), ("lora.r", 128, 64), ("lora.alpha", 15, 32), ("lora.alpha", 65, 32),
    ("lora.alpha", -16, 32),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "usual"), UNUSUAL)
def test_an_unusual_number_is_a_warning_with_the_nearest_usual_one(path: str, value: float, usual: float) -> None:
    findings = [finding for finding in ask(**{path: value}) if finding.field == path]
    assert [finding.severity for finding in findings] == [Severity.WARNING]
    assert findings[0].fix is not None
    assert findings[0].fix.changes == {path: usual}


def test_dpo_has_its_own_usual_learning_rates() -> None:
    dpo = {"training.method": "dpo", "data.dataset": "chat preference", "training.learning_rate": 2e-4}
    warning = only(ask(**dpo), "numbers.learning-rate-unusual")
    assert "5e-07 to 5e-05 is usual for DPO" in warning.message


@pytest.mark.parametrize(("dropout", "ok"), [(0, True), (0.99, True), (1, False), (-0.1, False)])
def test_dropout_lies_from_0_to_below_1(dropout: float, ok: bool) -> None:
    assert ask(**{"lora.dropout": dropout}).ok is ok


# Length


def test_rows_beyond_a_position_table_are_an_error() -> None:
    error = only(ask(**{**GPT2_TEXT, "data.dataset": "long", "data.max_length": 2000}), "length.beyond-positions")
    assert error.fix is not None
    assert error.fix.changes == {"data.max_length": 1024}


def test_rows_beyond_rotary_positions_are_a_warning() -> None:
    long_rows = {"data.dataset": "long", "data.strategy": "standard", "data.max_length": 20_000}
    assert codes(ask(**long_rows)) == ["length.beyond-context"]


# Data


@pytest.mark.parametrize(
    ("dataset", "code"),
    [
        ("nobody's", "dataset.not-found"), ("reading", "dataset.still-reading"), ("failed", "dataset.failed"),
        ("unknown", "dataset.unknown-format"), ("empty", "dataset.no-usable-rows"), ("bad", "dataset.no-usable-rows"),
    ],
)  # fmt: skip
def test_a_dataset_that_cannot_be_trained_on_is_one_error(dataset: str, code: str) -> None:
    assert codes(ask(**{"data.dataset": dataset, "data.strategy": "standard"})) == [code]


def test_fewer_than_ten_rows_are_a_warning() -> None:
    assert codes(ask(**{"data.dataset": "few", "data.strategy": "standard"})) == ["dataset.few-rows"]


def test_bad_rows_are_counted_and_located_and_can_be_left_out() -> None:
    (error,) = ask(**{"data.dataset": "bad rows"}).errors
    assert error.message.startswith("3 of 812 rows (lines 3, 9 and 40) cannot be trained on")
    assert error.fix is not None
    assert error.fix.changes == {"data.bad_rows": "drop"}


def test_rows_left_out_are_said() -> None:
    (said,) = ask(**{"data.dataset": "bad rows", "data.bad_rows": "drop"})
    assert said.severity is Severity.ADVICE
    assert said.message.startswith("3 of 812 rows left out")


def test_equal_pairs_are_counted() -> None:
    dpo = {"training.method": "dpo", "data.strategy": "standard"}
    assert "7 of 812 rows" in only(ask(**dpo, **{"data.dataset": "preference"}), "dataset.equal-pairs").message
    assert codes(ask(**dpo, **{"data.dataset": "equal"})) == ["dataset.all-pairs-equal"]


# Cache

ABSENT = {"model.name": "TinyLlama/TinyLlama-1.1B-Chat-v1.0"}


def test_a_model_to_fetch_is_a_warning_with_size_time_and_a_button() -> None:
    (warning,) = ask(**ABSENT)
    assert "2.2 GB" in warning.message
    assert "about 4 minutes" in warning.message
    assert warning.fix is not None
    assert warning.fix.as_dict()["action"] == {"name": "download-model", **{"model": ABSENT["model.name"]}}


def test_a_model_to_fetch_is_an_error_offline() -> None:
    assert codes(World(changes={"offline": True}).report(read(spec(**ABSENT)))) == ["cache.offline"]


def test_a_gated_model_without_token_says_where_to_put_it() -> None:
    error = only(ask(**{**GPT2_TEXT, "model.name": "meta-llama/Llama-3.2-1B"}), "cache.gated")
    assert "HF_TOKEN" in error.message


def test_a_model_that_does_not_fit_on_the_disk_is_one_error() -> None:
    assert codes(World(changes={"model_disk_free": 10**9}).report(read(spec(**ABSENT)))) == ["cache.disk-too-small"]


# Schedule, quantization, precision, account, model

OTHERS: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "warm-up of the whole run": ({"training.warmup_steps": 609}, {}, ["schedule.warmup-throughout"]),
    "warm-up of the only step": (
        {"training.max_steps": 1, "training.warmup_steps": 0.5}, {}, ["schedule.warmup-beyond-steps"],
    ),
    "early stopping by nothing": (
        {"training.early_stopping_patience": 3}, {}, ["schedule.early-stopping-unevaluated"],
    ),
    "interval of nothing": ({"training.eval_steps": 5}, {}, ["schedule.eval-steps-unevaluated"]),
    "interval beyond the end": (
        {"data.eval_fraction": 0.1, "training.eval_steps": 5000}, {}, ["schedule.eval-beyond-end"],
    ),
    "less than a row held out": ({"data.eval_fraction": 0.0005}, {}, ["schedule.tiny-evaluation"]),
    "a single step": (
        {"training.gradient_accumulation": 1000, "training.num_epochs": 1}, {}, ["schedule.one-step"],
    ),
    "quantized full fine-tuning": (
        {"lora.enabled": False, "quantization": "4bit"}, {"packages": ("bitsandbytes",)},
        ["quantization.full-fine-tuning"],
    ),
    "quantization without its package": ({"quantization": "8bit"}, {}, ["quantization.package-missing"]),
    "optimizer without its package": (
        {"training.optim": "paged_adamw_8bit"}, {}, ["quantization.optimizer-package-missing"],
    ),
    "bf16 on an old GPU": ({"training.precision": "bf16"}, {"gpus": 1, "bf16": False}, ["precision.no-bf16"]),
    "fp16 on a new GPU": ({"training.precision": "fp16"}, {"gpus": 1, "bf16": True}, ["precision.fp16-needless"]),
    "too many jobs": ({}, {"active_jobs": 5}, ["account.too-many-jobs"]),
    "packing that leaks": ({"data.packing": True}, {"packing_leaks": True}, ["packing.leaks"]),
    "packing to any length": ({"data.packing": True, "data.max_length": 10**9}, {}, ["packing.too-long"]),
    "rows longer than what is kept": ({"data.max_length": 64}, {}, ["length.rows-cut"]),
    "all layers where some cannot be adapted": (
        {"lora.target_modules": "all-linear"}, {"unfit_modules": ("out_proj",)}, ["lora.all-linear-unfit"],
    ),
    "an embedding that is also the head": (
        {"lora.target_modules": ["q_proj", "embed_tokens"]}, {"tied_embedding": "embed_tokens"},
        ["lora.tied-embedding"],
    ),
    "images beside the messages": ({}, {"dataset_columns": ("messages", "images")}, ["dataset.parts-left-out"]),
    "texts beside the messages": ({}, {"dataset_columns": ("messages", "text")}, ["dataset.untrained-columns"]),
    "a template that cannot be read": ({}, {"template_problem": "line 1: what?"}, ["template.broken"]),
    "a role that the template refuses": ({}, {"template_refuses": ("assistant",)}, ["template.refuses-role"]),
    "a role that the template leaves out": ({}, {"template_drops": ("tool", "user")}, ["template.drops-role"]),
    "turns out of order": (
        {}, {"template_alternates": True, "unalternating": 1}, ["template.needs-alternation"],
    ),
    "an end that the model does not know": ({}, {"template_end": "<|im_end|>"}, ["template.other-end"]),
    "no row left": ({}, {"rows_prepared": 0, "rows_given": 812}, ["measured.nothing-left"]),
    "pairs cut to the same": (
        {}, {"pairs_cut_alike": 812, "rows_prepared": 812}, ["measured.all-pairs-cut-alike"]
    ),
    "some pairs cut to the same": ({}, {"pairs_cut_alike": 8, "rows_prepared": 812}, ["measured.pairs-cut-alike"]),
    "texts that begin twice": ({}, {"rows_start_doubled": 3, "rows_prepared": 812}, ["measured.start-doubled"]),
    "some rows lost": ({}, {"rows_prepared": 800, "rows_given": 812}, ["measured.rows-lost"]),
    "what the account of all rows has said": (
        {}, {"rows_prepared": 800, "rows_given": 812, "rows_full": 9, "pairs_cut_alike": 8, "rows_accounted": 812}, []
    ),
    "pickle weights": ({}, {"unsafe_weights": True}, ["model.unsafe-weights"]),
    "no gradient checkpointing": ({}, {"supports_checkpointing": False}, ["model.no-gradient-checkpointing"]),
    "an unfit architecture": ({}, {"untrainable": "It is an encoder."}, ["model.untrainable"]),
    "files and catalogue differ": ({}, {"disagreements": ("It reads more.", "It chats.")}, ["model.disagreement"] * 2),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "facts", "expected"), OTHERS.values(), ids=OTHERS)
def test_it_is_found(changes: dict[str, Any], facts: dict[str, Any], expected: list[str]) -> None:
    assert codes(World(changes=facts).report(read(spec(**changes)))) == expected


def test_a_model_that_is_not_listed_is_an_error_with_near_names() -> None:
    error = only(ask(**{"model.name": "smollm2"}), "model.unknown")
    assert [fix.changes["model.name"] for fix in error.fixes] == [SMOL, "gpt2"]


@pytest.mark.parametrize("batch", [10**9, 2**52, 2**53 - 111])
def test_a_batch_beyond_all_sense_is_judged_at_once(batch: int) -> None:
    began = time.perf_counter()
    report = World(changes={"gpus": 1, "gpu_memory": 10**9}).report(read(spec(**{"training.batch_size": batch})))
    assert "numbers.batch-size-unusual" in codes(report)
    assert time.perf_counter() - began < 5
