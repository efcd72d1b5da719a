"""What a rehearsal does otherwise than the job, and no more: two steps, on a processor, with the stand-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.rulebook import Choices
from jobs.trainer.run_file import RunFile

from .stand_in import StandIn
from .targets import for_stand_in

STEPS = 2
LARGEST_BATCH = 2
"""Two rows of a batch need padding to one length, which is what a larger batch adds."""

HELD_OUT = 0.2
"""Of the telling rows, in place of those of an evaluation dataset, which have the same format."""

READ_FACTS = ("lora_targets", "towers", "template_end")
"""Facts that the trainer itself reads. The rulebook has judged the job by the others, and not two steps."""


def rehearsed(run: RunFile, stand_in: StandIn, rows: int) -> RunFile:
    """The run file of the rehearsal. Learning rate, optimizer, LoRA, lengths, packing, all else is the job's own."""
    choices = run.choices.changed(_changes(run.settings))
    targets = run.settings["lora.target_modules"] or run.facts.get("lora_targets")
    facts = {name: run.facts[name] for name in READ_FACTS if name in run.facts}
    if run.lora and targets:
        choices = _with_targets(choices, for_stand_in(targets, stand_in.layers))
    changed = {"spec": choices.spec(), "model_path": str(stand_in.folder), "rows": rows, "facts": facts}
    return RunFile(**{**run.model_dump(), **changed})


def _with_targets(choices: Choices, targets: str | tuple[str, ...]) -> Choices:
    return choices.changed({"lora.target_modules": targets})


def _changes(settings: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "training.max_steps": STEPS,
        "training.batch_size": min(settings["training.batch_size"], LARGEST_BATCH),
        "training.gradient_accumulation": min(settings["training.gradient_accumulation"], 2),
        "training.warmup_steps": 0,
        "training.logging_steps": 1,
        "training.precision": "fp32",
        "training.auto_find_batch_size": False,
        "training.start_from": None,
        "quantization": "none",
    }
    if settings["data.eval_dataset"]:
        changes |= {"data.eval_dataset": None, "data.eval_fraction": HELD_OUT}
    if settings["training.eval_steps"]:
        changes["training.eval_steps"] = STEPS
    if settings["training.save_steps"]:
        changes["training.save_steps"] = 1
    if "8bit" in settings["training.optim"]:
        changes["training.optim"] = "adamw_torch"
    return changes


def left_out(settings: Mapping[str, Any]) -> list[str]:
    """What the job asks for and the rehearsal cannot try on a processor."""
    left = []
    if settings["quantization"] != "none":
        left.append(f"{settings['quantization']} weights")
    if settings["training.precision"] in ("bf16", "fp16"):
        left.append(f"computing in {settings['training.precision']}")
    if "8bit" in settings["training.optim"]:
        left.append(f"the optimizer {settings['training.optim']}")
    return left
