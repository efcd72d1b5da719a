"""Finds the setting that a misspelt or foreign name most likely means."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from .settings_table import GROUPS, SETTINGS

LONGEST = 64
"""Longer names are not compared: it is slow, and they are near to nothing."""

_ALSO_CALLED = {
    "name": ("title", "job_name", "run_name"),
    "model.name": ("model_name", "model_id", "model_name_or_path", "base_model", "pretrained_model_name_or_path"),
    "model.revision": ("model_revision", "branch", "commit"),
    "data.dataset": ("dataset_id", "dataset_name", "train_dataset", "train_file", "dataset_path"),
    "data.strategy": ("format", "data_format", "chat_template", "prompt_strategy", "dataset_format"),
    "data.max_length": (
        "max_seq_length",
        "max_seq_len",
        "seq_length",
        "sequence_len",
        "sequence_length",
        "cutoff_len",
        "block_size",
    ),
    "data.bad_rows": ("on_bad_rows", "skip_bad_rows", "invalid_rows"),
    "data.eval_fraction": (
        "validation_split",
        "val_size",
        "test_size",
        "eval_split",
        "eval_size",
        "val_set_size",
        "validation_fraction",
    ),
    "data.eval_dataset": ("validation_dataset", "validation_file", "eval_file", "test_dataset", "val_dataset"),
    "data.packing": ("pack", "sample_packing"),
    "training.method": ("trainer", "algorithm", "stage", "rl", "training_type", "task", "type"),
    "training.start_from": ("continue_from", "init_from", "resume_from", "adapter", "from_job"),
    "training.num_epochs": ("epochs", "epoch", "num_train_epochs", "n_epochs"),
    "training.max_steps": ("steps", "num_steps", "total_steps"),
    "training.batch_size": (
        "per_device_train_batch_size",
        "train_batch_size",
        "micro_batch_size",
        "per_gpu_train_batch_size",
        "batch",
    ),
    "training.gradient_accumulation": (
        "gradient_accumulation_steps",
        "grad_accum",
        "accumulation_steps",
        "accumulate_grad_batches",
    ),
    "training.num_processes": ("nproc_per_node", "num_gpus", "n_gpus", "gpus", "world_size", "nproc"),
    "training.learning_rate": ("lr", "learningrate", "max_lr"),
    "training.seed": ("random_seed", "random_state", "data_seed"),
    "training.precision": ("dtype", "torch_dtype", "mixed_precision", "compute_dtype"),
    "training.gradient_checkpointing": ("activation_checkpointing", "checkpointing", "use_gradient_checkpointing"),
    "training.beta": ("dpo_beta", "pref_beta"),
    "training.lr_scheduler_type": ("scheduler", "lr_scheduler", "schedule", "scheduler_type"),
    "training.warmup_steps": ("warmup", "warmup_ratio", "num_warmup_steps", "lr_warmup_steps"),
    "training.weight_decay": ("wd", "decay"),
    "training.optim": ("optimizer", "optimiser", "optimizer_type"),
    "training.max_grad_norm": ("gradient_clipping", "clip_grad", "grad_clip", "gradient_clip_val", "max_norm"),
    "training.eval_steps": ("eval_every", "evaluation_steps", "val_check_interval"),
    "training.logging_steps": ("log_every", "log_steps"),
    "training.save_steps": ("save_every", "checkpoint_steps", "checkpoint_every"),
    "training.early_stopping_patience": ("patience", "early_stopping"),
    "lora.enabled": ("use_lora", "use_peft", "peft", "lora_enabled"),
    "lora.r": ("rank", "lora_r", "lora_rank", "lora_dim"),
    "lora.alpha": ("lora_alpha",),
    "lora.dropout": ("lora_dropout",),
    "lora.target_modules": ("targets", "lora_target", "lora_targets", "modules", "lora_target_modules"),
    "lora.use_rslora": ("rslora", "rank_stabilized"),
    "lora.use_dora": ("dora",),
    "quantization": ("load_in_4bit", "load_in_8bit", "quantisation", "quantize", "bits", "qlora", "quant"),
}

_ALIASES: Mapping[str, str] = {alias: path for path, aliases in _ALSO_CALLED.items() for alias in aliases}
_LAST_PARTS: Mapping[str, str] = {path.rpartition(".")[2]: path for path in reversed(list(SETTINGS))}
_FIRST_OF_GROUP: Mapping[str, str] = {SETTINGS[path].group: path for path in reversed(list(SETTINGS))}


def nearest(path: str) -> str | None:
    """The known setting that `path` most likely means, or None when nothing is near.

    A group that was given a plain value, such as `"model": "gpt2"`, most likely means its first setting.
    """
    name = path.rpartition(".")[2].lower()
    if path in GROUPS:
        return _FIRST_OF_GROUP[path]
    return _LAST_PARTS.get(name) or _ALIASES.get(name) or _alike(path.lower(), name)


def _alike(path: str, name: str) -> str | None:
    """The setting whose dotted name is much like `path`, else the one whose own or other name is like `name`."""
    if len(path) > LONGEST:
        return None
    by_path = difflib.get_close_matches(path, SETTINGS, n=1, cutoff=0.8)
    by_name = difflib.get_close_matches(name, [*_LAST_PARTS, *_ALIASES], n=1, cutoff=0.7)
    return next(iter(by_path), None) or next((_LAST_PARTS.get(near) or _ALIASES[near] for near in by_name), None)
