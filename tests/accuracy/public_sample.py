"""The public sample of real trainings, as far as its cases can be written as jobs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from .case import Case, Row, json_lines
from .models import ORACLE

SAMPLE = ORACLE / "public_cases.jsonl"
_USUAL = {"max_steps": 2, "per_device_train_batch_size": 2, "learning_rate": 1e-3, "max_length": 64}
TRAINING = {
    "max_steps": "training.max_steps", "per_device_train_batch_size": "training.batch_size",
    "learning_rate": "training.learning_rate", "max_length": "data.max_length", "packing": "data.packing",
    "gradient_checkpointing": "training.gradient_checkpointing", "num_train_epochs": "training.num_epochs",
    "activation_checkpointing": "training.gradient_checkpointing", "optim": "training.optim", "beta": "training.beta",
    "gradient_accumulation_steps": "training.gradient_accumulation", "seed": "training.seed",
    "weight_decay": "training.weight_decay", "max_grad_norm": "training.max_grad_norm",
    "logging_steps": "training.logging_steps", "save_steps": "training.save_steps",
}  # fmt: skip
LORA = {"r": "lora.r", "lora_alpha": "lora.alpha", "lora_dropout": "lora.dropout", "use_dora": "lora.use_dora",
        "use_rslora": "lora.use_rslora", "target_modules": "lora.target_modules"}  # fmt: skip
_UNASKED: Mapping[str, Any] = {"logging_steps": 1, "bf16": False, "use_cpu": True, "save_strategy": "no"}
"""Arguments that only say what Foretune does anyway."""
_HARMLESS_LORA = ("init_lora_weights", "fan_in_fan_out")


class Inexpressible(Exception):
    """The case turns something that a job has no setting for."""


def public_cases() -> tuple[list[Case], dict[str, list[str]]]:
    """The cases that can be written as jobs, and the names of the others by reason."""
    left_out: dict[str, list[str]] = defaultdict(list)
    cases = []
    lines = SAMPLE.read_text().splitlines() if SAMPLE.exists() else []
    if not lines:
        left_out["the sample is not at hand"] = []
    for line in lines:
        sample = json.loads(line)
        try:
            cases.append(_translated(sample))
        except Inexpressible as reason:
            left_out[str(reason)].append(sample["id"])
    return cases, left_out


def _translated(sample: dict[str, Any]) -> Case:
    rows = _rows(sample["data"])
    if sample.get("load"):
        raise Inexpressible("they turn how the model is loaded")
    if sample.get("eval"):
        raise Inexpressible("they bring an evaluation set of their own")
    if sample.get("resume_arg"):
        raise Inexpressible("they resume a run")
    config = {**sample.get("model_edit", {}), **dict.fromkeys(sample.get("model_drop", ()), "__dropped__")}
    spec = {"training.method": sample["method"], "data.strategy": _strategy(rows), **_training(sample), **_lora(sample)}
    name = f"public/{sample['id']}"
    return Case(name, sample["model"], sample["tokenizer"], json_lines(rows), spec, config, "public", sample["verdict"])


def _training(sample: dict[str, Any]) -> dict[str, Any]:
    given = {**({} if sample.get("raw") else _USUAL), **(sample.get("training") or {})}
    spec = {}
    for name, value in given.items():
        if name in TRAINING:
            if name == "max_length" and value is None:
                raise Inexpressible("they set no maximum length")
            spec[TRAINING[name]] = value
        elif (name == "router_aux_loss_coef" and value == 0) or _UNASKED.get(name, ...) == value:
            continue
        else:
            raise Inexpressible("they turn arguments of TRL that Foretune does not offer")
    return spec


def _lora(sample: dict[str, Any]) -> dict[str, Any]:
    strategy = sample.get("strategy", "lora" if sample.get("lora") is not None else "full")
    if strategy == "full":
        return {"lora.enabled": False}
    spec: dict[str, Any] = {"quantization": {"qlora4": "4bit", "qlora8": "8bit"}.get(strategy, "none")}
    for name, value in (sample.get("lora") or {}).items():
        if name in LORA:
            spec[LORA[name]] = value
        elif name not in _HARMLESS_LORA:
            raise Inexpressible("they turn arguments of PEFT that Foretune does not offer")
    return spec


def _strategy(rows: list[Row | str]) -> str:
    for row in rows:
        if isinstance(row, dict):
            lists = [row[name] for name in ("messages", "conversations", "completion", "chosen") if name in row]
            return "chat" if "messages" in row or any(isinstance(each, list) for each in lists) else "standard"
    return "standard"


def _rows(data: dict[str, Any]) -> list[Row | str]:
    if "rows" in data:
        return list(data["rows"])
    made: list[Row | str] = [_row(data["kind"], number, data) for number in range(data.get("n", 6))]
    return made


def _row(kind: str, number: int, data: dict[str, Any]) -> Row:
    """The rows that the sample names by their kind."""
    asked, told = f"What is {number} + {number + 1}?", f"The answer is {2 * number + 1}."
    other, many = f"I do not know, maybe {number}.", data.get("rep", 20)
    user, answer = {"role": "user", "content": asked}, {"role": "assistant", "content": told}
    denial = {"role": "assistant", "content": other}
    system = {"role": "system", "content": "You are a helpful assistant."}
    again = [{"role": "user", "content": f"What is {number + 1} + {number + 2}?"}]
    repeated = {"role": "assistant", "content": f"The answer is {2 * number + 3}."}
    kinds: dict[str, Row] = {
        "text": {"text": f"{asked} {told}"},
        "chat": {"messages": [user, answer]},
        "chat_sys": {"messages": [system, user, answer]},
        "chat_multi": {"messages": [user, answer, *again, repeated]},
        "chat_user_last": {"messages": [user, answer, *again]},
        "pc": {"prompt": asked, "completion": f" {told}"},
        "pc_chat": {"prompt": [user], "completion": [answer]},
        "sharegpt": {"conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": told}]},
        "dpo": {"prompt": asked, "chosen": f" {told}", "rejected": f" {other}"},
        "dpo_noprompt": {"chosen": f"{asked} {told}", "rejected": f"{asked} {other}"},
        "dpo_chat": {"prompt": [user], "chosen": [answer], "rejected": [denial]},
        "dpo_chat_noprompt": {"chosen": [user, answer], "rejected": [user, denial]},
        "dpo_same": {"prompt": asked, "chosen": f" {told}", "rejected": f" {told}"},
        "long": {"text": f"{asked} {told} " * many},
        "long_chat": {"messages": [{"role": "user", "content": f"{asked} " * many}, answer]},
    }
    return kinds[kind]
