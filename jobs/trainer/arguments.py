"""Where each setting of a job goes: to an argument of TRL, to one of PEFT, or into a decision of our own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]

FOR_TRL = {
    "data.max_length": "max_length",
    "training.num_epochs": "num_train_epochs",
    "training.max_steps": "max_steps",
    "training.batch_size": "per_device_train_batch_size",
    "training.gradient_accumulation": "gradient_accumulation_steps",
    "training.learning_rate": "learning_rate",
    "training.seed": "seed",
    "training.lr_scheduler_type": "lr_scheduler_type",
    "training.warmup_steps": "warmup_steps",
    "training.weight_decay": "weight_decay",
    "training.optim": "optim",
    "training.max_grad_norm": "max_grad_norm",
    "training.logging_steps": "logging_steps",
}
FOR_SFT = {"data.packing": "packing"}
FOR_DPO = {"training.beta": "beta"}
FOR_PEFT = {
    "lora.r": "r",
    "lora.alpha": "lora_alpha",
    "lora.dropout": "lora_dropout",
    "lora.use_rslora": "use_rslora",
    "lora.use_dora": "use_dora",
}
DECIDED_HERE = {
    "training.precision": "decisions.choose_precision",
    "training.gradient_checkpointing": "decisions.choose_checkpointing",
    "training.eval_steps": "decisions.choose_intervals",
    "training.save_steps": "run.train",
    "training.early_stopping_patience": "decisions.choose_intervals",
    "data.eval_fraction": "decisions.choose_held_out",
    "data.eval_dataset": "decisions.choose_held_out",
    "data.assistant_only_loss": "tokenising.tokenise",
    "data.completion_only_loss": "tokenising.tokenise",
    "lora.target_modules": "decisions.choose_targets",
    "lora.enabled": "run.build_trainer",
    "training.method": "run.build_trainer",
    "quantization": "loading.load_model",
    "model.name": "saving.save_output",
    "training.auto_find_batch_size": "retrying.may_retry",
    "training.start_from": "loading.begin_with",
}
DONE_BEFORE = {
    "name": "the history's",
    "model.revision": "fetched by the supervisor",
    "data.dataset": "written to train.jsonl by the supervisor",
    "training.num_processes": "so many ranks are started, each with a GPU (jobs/trainer/ranks.py)",
    "data.strategy": "judged by the rulebook; the rows already have its shape",
    "data.bad_rows": "left out by the supervisor",
}


def trl_arguments(settings: Settings) -> dict[str, Any]:
    """The settings that TRL takes as they are. One that is empty keeps TRL's own meaning of empty."""
    table = FOR_TRL | (FOR_DPO if settings["training.method"] == "dpo" else FOR_SFT)
    return {name: settings[path] for path, name in table.items() if settings[path] is not None}


def peft_arguments(settings: Settings) -> dict[str, Any]:
    return {name: settings[path] for path, name in FOR_PEFT.items()}
