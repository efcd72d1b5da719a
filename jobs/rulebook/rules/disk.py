"""The run fits on the disk, and if not, what makes it fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..disk import Saving, fullest, least
from ..engine import Broken, Together, broken, rule
from ..estimate import disk_needed, steps_of
from ..findings import Fix, Severity
from ..fixes import advice, model_at_hand
from ..memory import Part, total
from ..settings_table import BY_FACT
from ..words import names, size

ROOM_LEFT = 0.9
"""Above this share of what is free, another job that saves meanwhile can fill the disk."""


Parts = Callable[[Saving], tuple[Part, ...]]


@dataclass(frozen=True, kw_only=True)
class Job(Together):
    """All that decides how much disk a run takes, and how much there is."""

    parameters: int
    vocabulary_size: int
    dataset_bytes: int
    lora_enabled: bool
    method: str
    optim: str
    quantization: str
    disk_free: int
    rows: int
    bad_row_count: int
    batch_size: int
    gradient_accumulation: int
    num_epochs: float
    eval_fraction: float
    model: str = ""
    max_steps: int | None = None
    num_processes: int = 1
    packing: bool = False
    save_steps: int | None = None
    eval_steps: int | None = None
    early_stopping_patience: int | None = None
    precision: str = "auto"
    model_cache: str = "cached"
    bytes_to_fetch: int = 0
    models_apart: bool = False
    offline: bool = False
    hidden_size: int | None = None
    intermediate_size: int | None = None
    attention_width: int | None = None
    key_value_width: int | None = None
    layers: int | None = None
    active_width: int | None = None
    modules: Sequence[Mapping[str, Any]] | None = None
    renamed_targets: Mapping[str, str] | None = None
    target_modules: Any = None
    lora_targets: Any = None
    expert_modules: Any = ()
    lora_r: int = 16
    use_dora: bool = False
    chat_model: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def saving(self) -> Saving | None:
        """What it saves. Of a rank that no adapter has nothing is reckoned: that is another rule's."""
        return disk_needed(self.facts) if self.lora_r <= (BY_FACT["lora_r"].maximum or 0) else None

    def needs(self, parts: Parts, **changes: Any) -> int | None:
        """Bytes of the `parts` of what it saves after some changes, by fact."""
        saving = disk_needed(self.facts | changes)
        return total(parts(saving)) if saving else None


def _fixes(job: Job, parts: Parts) -> Iterator[Fix]:
    """What fits, the mildest first: fewer checkpoints, no best model to go back to, an adapter, all of that."""
    for label, changes in _changes(job):
        needed = job.needs(parts, **changes)
        if needed is not None and needed <= ROOM_LEFT * job.disk_free:
            yield Fix(
                f"{label} (would need {size(needed)} of {size(job.disk_free)})",
                {BY_FACT[fact].path: value for fact, value in changes.items()},
            )


def _changes(job: Job) -> Iterator[tuple[str, dict[str, Any]]]:
    steps = steps_of(job.facts)
    if job.save_steps and steps and job.save_steps < steps:
        for number, label in ((2, "Keep two checkpoints"), (1, "Keep one checkpoint, at the end")):
            if math.ceil(steps / job.save_steps) > number:
                yield label, {"save_steps": math.ceil(steps / number)}
    fewer: dict[str, Any] = {"save_steps": None} if job.save_steps else {}
    if fewer:
        yield "Keep no checkpoints", fewer
    if job.early_stopping_patience:
        yield "Stop no run early", {"early_stopping_patience": None, **fewer}
    if not job.lora_enabled:
        yield "Train a LoRA adapter", {"lora_enabled": True}
        if fewer:
            yield "Train a LoRA adapter and keep no checkpoints", {"lora_enabled": True, **fewer}


_BREAKS = {
    "parameters": 8_030_000_000, "hidden_size": 4096, "intermediate_size": 14_336, "attention_width": 4096,
    "key_value_width": 1024, "layers": 32, "vocabulary_size": 128_256, "lora_enabled": False, "method": "sft",
    "optim": "adamw_torch", "quantization": "none", "dataset_bytes": 10**7, "disk_free": 200 * 10**9, "rows": 812,
    "bad_row_count": 0, "batch_size": 4, "gradient_accumulation": 1, "num_epochs": 3, "eval_fraction": 0.0,
    "save_steps": 100, "lora_r": 16, "precision": "auto", "target_modules": ("q_proj", "v_proj"),
}  # fmt: skip


@rule(
    code="disk.run-too-large",
    severity=Severity.ERROR,
    field="training.save_steps",
    message="The run would take {needed} of the disk when it is fullest ({parts}), and only {free} are free: it would "
    "fail while saving. {advice}",
    breaks=_BREAKS,
)
def run_too_large(job: Job) -> Broken | None:
    """A full disk shows at the first checkpoint or at the very end, and takes every other job of the portal with it."""
    saving = job.saving
    if saving is None or saving.download > job.disk_free:  # that is said by cache.disk-too-small
        return None
    parts = least(saving)
    if total(parts) <= job.disk_free:
        return None
    fixes: list[Fix | None] = [*list(_fixes(job, least))[:3]]
    if not fixes:
        fixes = [model_at_hand(job.chat_model, job.model)]
    return broken(
        fixes=fixes,
        field="training.save_steps" if saving.checkpoints else "model.name",
        needed=size(total(parts)),
        parts=names([f"{part.name.lower()} {size(part.bytes)}" for part in parts]),
        free=size(job.disk_free),
        advice=advice(fixes, "Ask staff to make room, or choose a smaller model."),
    )


@rule(
    code="disk.tight",
    severity=Severity.WARNING,
    field="training.save_steps",
    message="The run would take {needed} of the {free} that are free on the disk when it is fullest ({parts}). Another "
    "job that saves meanwhile can fill it. {advice}",
    breaks={**_BREAKS, "disk_free": 300 * 10**9},
)
def tight(job: Job) -> Broken | None:
    """Jobs share the disk, and what is free now can be taken by the time this one saves."""
    saving = job.saving
    if saving is None:
        return None
    parts = fullest(saving)
    if not ROOM_LEFT * job.disk_free < total(parts) <= job.disk_free:
        return None
    fixes = list(_fixes(job, fullest))[:2]
    return broken(
        fixes=fixes,
        field="training.save_steps" if saving.checkpoints else "model.name",
        needed=size(total(parts)),
        parts=names([f"{part.name.lower()} {size(part.bytes)}" for part in parts]),
        free=size(job.disk_free),
        advice=advice(fixes, "Ask staff to make room, or start it while no other job runs."),
    )


@rule(
    code="disk.no-room-for-checkpoints",
    severity=Severity.WARNING,
    field="training.save_steps",
    message="With the checkpoints from which a run goes on after an interruption it would take {needed} of the disk "
    "({parts}), and {free} are free. It runs without them; if it is interrupted, it starts again. {advice}",
    breaks={**_BREAKS, "save_steps": None, "disk_free": 100 * 10**9},
)
def no_room_for_checkpoints(job: Job) -> Broken | None:
    """The trainer writes checkpoints where there is room and goes on without; whoever waits for days should know."""
    saving = job.saving
    if saving is None or not total(least(saving)) <= job.disk_free < total(fullest(saving)):
        return None
    fixes, parts = list(_fixes(job, fullest))[:2], fullest(saving)
    return broken(
        fixes=fixes,
        needed=size(total(parts)),
        parts=names([f"{part.name.lower()} {size(part.bytes)}" for part in parts]),
        free=size(job.disk_free),
        advice=advice(fixes, "Ask staff to make room."),
    )
