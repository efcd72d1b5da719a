"""A small world to ask the rulebook about: models, datasets and a machine as literal facts, and buttons to press."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jobs.rulebook import Choices, Fix, Report, check, read
from jobs.rulebook.reading import nest

SMOL = "HuggingFaceTB/SmolLM2-135M-Instruct"
LLAMA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

_MODEL = {
    "model_listed": True,
    "model_cache": "cached",
    "bytes_to_fetch": 0,
    "gated": False,
    "unsafe_weights": False,
    "untrainable": "",
    "unbuildable": "",
    "weights_format": "safetensors",
    "packing_needs": "",
    "uninspected": "",
    "unfetchable": "",
    "supports_checkpointing": True,
    "packing_leaks": False,
    "position_table": False,
    "expert_modules": (),
    "unfit_modules": (),
    "tied_embedding": "",
    "disagreements": (),
    "supports_chat": False,
    "tokenizer_problem": "",
    "tokenizer_size": 49_152,
    "end_token": "</s>",
    "tokens_beyond": (),
    "text_tokens_beyond": (),
    "template_tokens_beyond": (),
    "template_problem": "",
    "template_refuses": (),
    "template_drops": (),
    "template_alternates": False,
    "template_tools": {"schema": "kept", "calls": "kept", "answers": "kept", "text_beside_call": "kept"},
    "template_reasoning": "kept",
    "template_refuses_shapes": (),
    "template_drops_shapes": (),
    "template_words": {},
    "template_end": "",
    "template_ends": True,
    "template_prompt_cut": "",
    "template_adds_system": "",
    "template_adds_to_answer": "",
}


def model(**facts: Any) -> dict[str, Any]:
    return {**_MODEL, **facts}


def llama(**facts: Any) -> dict[str, Any]:
    modules = {"lora_modules": LLAMA_TARGETS, "lora_targets": LLAMA_TARGETS, "context_length": 8192}
    return model(**{**modules, "family": "Llama", **facts})


SMOL_SHAPE = {
    "parameters": 134_515_008, "hidden_size": 576, "intermediate_size": 1536, "attention_width": 576,
    "key_value_width": 192, "layers": 30, "vocabulary_size": 49_152,
}  # fmt: skip

MODELS: Mapping[str, Mapping[str, Any]] = {
    SMOL: llama(supports_chat=True, model_cache="local", **SMOL_SHAPE),
    "gpt2": model(
        family="GPT-2",
        lora_modules=("c_attn", "c_proj", "c_fc"),
        lora_targets=("c_attn", "c_proj"),
        context_length=1024,
        position_table=True,
    ),
    "microsoft/phi-2": model(
        family="Phi",
        lora_modules=("q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"),
        lora_targets=("q_proj", "v_proj", "k_proj", "dense"),
        context_length=2048,
    ),
    "mistralai/Mixtral-8x7B-v0.1": model(
        family="Mixtral",
        lora_modules=("q_proj", "k_proj", "v_proj", "o_proj", "w1", "w2", "w3"),
        lora_targets=("q_proj", "k_proj", "v_proj", "o_proj"),
        expert_modules=("w1", "w2", "w3"),
        context_length=32_768,
    ),
    "openai-community/openai-gpt": model(
        family="GPT",
        lora_modules=("c_attn", "c_proj", "c_fc"),
        lora_targets=("c_attn", "c_proj"),
        context_length=512,
        supports_checkpointing=False,
        packing_leaks=True,
        position_table=True,
    ),
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": llama(
        supports_chat=True, context_length=2048, model_cache="absent", bytes_to_fetch=2_200_000_000
    ),
    "meta-llama/Llama-3.2-1B": llama(model_cache="absent", bytes_to_fetch=2_500_000_000, gated=True),
    "someone/old-model": llama(unsafe_weights=True, model_cache="partial", bytes_to_fetch=10**15),
    "meta-llama/Llama-4-Scout": llama(untrainable="TRL cannot compute the loss of llama4_text."),
}

_READY = {
    "dataset_found": True,
    "dataset_status": "ready",
    "dataset_name": "support.jsonl",
    "rows": 812,
    "bad_row_count": 0,
    "equal_pairs": 0,
    "unalternating": 0,
    "row_shapes": {},
    "dataset_layout": "",
    "rows_with_tools": 0,
    "rows_with_calls": 0,
    "rows_with_weights": 0,
    "rows_with_reasoning": 0,
    "roles": ("assistant", "user"),
    "token_ceiling": 900,
    "dataset_bytes": 500_000,
    "content_advice": (),
    "average_tokens": 150,
    "conversational": False,
    "convertible_to": (),
}


_COLUMNS = {
    "messages": ("messages",),
    "text": ("text",),
    "prompt_completion": ("prompt", "completion"),
    "preference": ("prompt", "chosen", "rejected"),
    "unknown": ("question", "answer"),
}


def rows(dataset_format: str, **facts: Any) -> dict[str, Any]:
    columns = _COLUMNS[dataset_format]
    known = {"dataset_format": dataset_format, "dataset_columns": columns, "columns_read": columns}
    return {**_READY, **known, **facts}


DATASETS: Mapping[str, Mapping[str, Any]] = {
    "chat": rows("messages", conversational=True, convertible_to=("text",)),
    "text": rows("text"),
    "pairs": rows("prompt_completion", convertible_to=("messages",)),
    "chat pairs": rows("prompt_completion", conversational=True, convertible_to=("messages",)),
    "preference plain": rows("preference"),
    "preference": rows("preference", convertible_to=("prompt_completion",), equal_pairs=7),
    "chat preference": rows("preference", conversational=True, convertible_to=("prompt_completion",)),
    "equal": rows("preference", equal_pairs=812),
    "bad rows": rows("messages", conversational=True, bad_row_count=3, bad_row_lines=(3, 9, 40)),
    "bad": rows("text", bad_row_count=812, bad_row_reason="text is missing"),
    "empty": rows("text", rows=0),
    "few": rows("text", rows=6),
    "one": rows("text", rows=1),
    "long": rows("text", token_ceiling=50_000),
    "unknown": rows("unknown"),
    "reading": {"dataset_found": True, "dataset_status": "reading", "dataset_name": "support.jsonl"},
    "failed": {"dataset_found": True, "dataset_status": "failed", "dataset_name": "support.jsonl"},
}

MACHINE: Mapping[str, Any] = {
    "offline": False,
    "hub_token": False,
    "bytes_per_second": 10_000_000,
    "disk_free": 10**12,
    "model_disk_free": 10**12,
    "models_apart": False,
    "packages": (),
    "gpus": 0,
    "nothing_starts": "",
}
ACCOUNT: Mapping[str, Any] = {"active_jobs": 0, "active_jobs_limit": 5, "gpus_limit": 0}


@dataclass(frozen=True)
class World:
    """Everything around the choices. `downloaded` models are at hand, `changes` override any fact."""

    downloaded: frozenset[str] = frozenset()
    changes: Mapping[str, Any] = field(default_factory=dict)

    def known(self, choices: Choices) -> dict[str, Any]:
        """All facts about these choices, with the recommended LoRA targets filled in."""
        name, dataset = choices.values.get("model.name"), choices.values.get("data.dataset")
        around = self._model(name) | _dataset(dataset) | MACHINE | ACCOUNT | {"chat_model": SMOL}
        facts = choices.facts() | around | self.changes
        if facts.get("lora_enabled") and not any(path == "lora.target_modules" for path, _, _ in choices.unreadable):
            facts.setdefault("target_modules", facts.get("lora_targets"))
        return facts

    def _model(self, name: str | None) -> dict[str, Any]:
        if name is None:
            return {}
        if name not in MODELS:
            return {"model_listed": False, "similar_models": (SMOL, "gpt2")}
        at_hand = {"model_cache": "cached"} if name in self.downloaded else {}
        return {**MODELS[name], **at_hand}

    def report(self, choices: Choices) -> Report:
        return check(self.known(choices))

    def press(self, choices: Choices, fix: Fix) -> tuple[World, Choices]:
        """What a person has after pressing the button of `fix`."""
        changes = dict(fix.changes)
        world = self
        if fix.action and fix.action.name == "convert-dataset":
            changes["data.dataset"] = f"{choices.values['data.dataset']} as {fix.action.arguments['to']}"
        elif fix.action:
            world = replace(self, downloaded=self.downloaded | {fix.action.arguments["model"]})
        return world, choices.changed(changes)


def _dataset(name: str | None) -> dict[str, Any]:
    """Facts of a dataset; `chat as text` is the converted one."""
    if name is None:
        return {}
    original, _, converted_to = name.partition(" as ")
    if original not in DATASETS:
        return {"dataset_found": False}
    facts = dict(DATASETS[original])
    return facts | converted(facts, converted_to) if converted_to else facts


def converted(facts: Mapping[str, Any], to: str) -> dict[str, Any]:
    """What conversion changes: prompts and completions stay messages if they were."""
    conversational = facts["conversational"] if to == "prompt_completion" else to == "messages"
    return {"dataset_format": to, "conversational": conversational, "convertible_to": ()}


GOOD: Mapping[str, Any] = {
    "model.name": SMOL,
    "data.dataset": "chat",
    "data.strategy": "chat",
    "training.method": "sft",
}


def spec(**changes: Any) -> dict[str, Any]:
    """A good chat job on SmolLM2, with changes by dotted name; None removes."""
    return nest({path: value for path, value in {**GOOD, **changes}.items() if value is not None})


def ask(**changes: Any) -> Report:
    """The report on the good job with some changes."""
    return World().report(read(spec(**changes)))


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report]
