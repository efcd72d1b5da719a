"""A job that begins with the weights of an earlier one trains the same thing in the same shape, and says how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..engine import Broken, Together, broken, rule
from ..findings import Fix, Severity
from ..fixes import clear, use, use_model
from ..rates import schedule_in_words
from ..targets import is_all_linear
from ..words import names, number
from .schedule import Plan

PATH = "training.start_from"
_ANEW = clear(PATH, "Begin with the base model's own weights")


@rule(
    code="earlier.not-found",
    severity=Severity.ERROR,
    field=PATH,
    message="You have no job {start_from} to begin with. Its number is that of its page; or leave the setting empty.",
    breaks={"start_from": 12, "start_found": False},
)
def not_found(start_from: int, start_found: bool) -> Broken | None:
    """It was deleted, it belongs to somebody else, or its number is mistyped."""
    return None if start_found else broken(fix=_ANEW, start_from=start_from)


@rule(
    code="earlier.no-weights",
    severity=Severity.ERROR,
    field=PATH,
    message="Job {start_from} {why}, so there is nothing to begin with. Choose another, or leave the setting empty.",
    breaks={"start_from": 12, "start_state": "failed", "start_weights": False},
)
def no_weights(start_from: int, start_state: str, start_weights: bool) -> Broken | None:
    """Only a job that has ended has weights that no longer change, and old ones are deleted in time."""
    if start_weights:
        return None
    ended = start_state in ("succeeded", "failed", "cancelled", "refused")
    why = "has left no weights, or they were deleted" if ended else "has not ended yet"
    return broken(fix=_ANEW, start_from=start_from, why=why)


@rule(
    code="earlier.other-model",
    severity=Severity.ERROR,
    field=PATH,
    message="Job {start_from} trained {theirs}, and this one trains {ours}. Weights go on in the same model only.",
    breaks={"start_from": 12, "start_model": "TinyLlama/TinyLlama-1.1B-Chat-v1.0", "model": "gpt2"},
)
def other_model(
    start_from: int, start_model: str, model: str, start_revision: str = "", revision: str | None = None
) -> Broken | None:
    """An adapter on another model, or another revision of it, is noise; whole weights do not even load."""
    theirs, ours = (start_model, start_revision or ""), (model, revision or "")
    if theirs == ours:
        return None
    same = use_model(start_model)
    fixes = (Fix(same.label, {**same.changes, "model.revision": start_revision or None}), _ANEW)
    return broken(fixes=fixes, start_from=start_from, theirs=_model(*theirs), ours=_model(*ours))


def _model(name: str, revision: str) -> str:
    return f"{name} at {revision}" if revision else name


@rule(
    code="earlier.other-method",
    severity=Severity.ERROR,
    field=PATH,
    message="Job {start_from} was trained with {theirs}, and this one is to be trained with {ours}.",
    breaks={"start_from": 12, "start_method": "dpo", "method": "sft"},
)
def other_method(start_from: int, start_method: str, method: str) -> Broken | None:
    """Preferences are learnt against the base model, so weights that were imitated first would begin far from it."""
    if start_method == method:
        return None
    return broken(fix=_ANEW, start_from=start_from, theirs=start_method.upper(), ours=method.upper())


@rule(
    code="earlier.other-kind",
    severity=Severity.ERROR,
    field=PATH,
    message="Job {start_from} {theirs}, and this one {ours}.",
    breaks={"start_from": 12, "start_weights": True, "lora_enabled": True, "start_lora": None},
)
def other_kind(
    start_from: int, start_weights: bool, lora_enabled: bool, start_lora: Mapping[str, Any] | None = None
) -> Broken | None:
    """An adapter is no whole model, and the other way round."""
    if not start_weights or (start_lora is not None) == lora_enabled:
        return None
    kinds = {True: "trains a LoRA adapter", False: "trains all weights"}
    ours, theirs = kinds[lora_enabled], kinds[not lora_enabled].replace("trains", "trained")
    fixes = (use("lora.enabled", not lora_enabled, "Train as that job did"), _ANEW)
    return broken(fixes=fixes, start_from=start_from, theirs=theirs, ours=ours)


@dataclass(frozen=True, kw_only=True)
class Adapter(Together):
    """The shape of the adapter that is to be trained."""

    lora_enabled: bool
    lora_r: int
    lora_alpha: float
    use_rslora: bool
    use_dora: bool
    target_modules: Any = None

    @property
    def shape(self) -> dict[str, Any]:
        return {
            "r": self.lora_r,
            "alpha": self.lora_alpha,
            "targets": shape_of_targets(self.target_modules),
            "use_rslora": self.use_rslora,
            "use_dora": self.use_dora,
        }


def shape_of_targets(targets: Any) -> Any:
    """Names in alphabetical order; a pattern as it stands."""
    if isinstance(targets, str):
        return "all-linear" if is_all_linear(targets) else targets
    return sorted(targets or ())


_NAMES = {
    "r": "lora.r",
    "alpha": "lora.alpha",
    "targets": "lora.target_modules",
    "use_rslora": "lora.use_rslora",
    "use_dora": "lora.use_dora",
}


@rule(
    code="earlier.other-shape",
    severity=Severity.ERROR,
    field=PATH,
    message="The adapter of job {start_from} has another shape than this job asks for: {differences}.",
    breaks={
        "start_from": 12,
        "start_lora": {"r": 8, "alpha": 32, "targets": ["q_proj", "v_proj"], "use_rslora": False, "use_dora": False},
        "lora_enabled": True,
        "lora_r": 16,
        "lora_alpha": 32,
        "use_rslora": False,
        "use_dora": False,
        "target_modules": ("q_proj", "v_proj"),
    },
)
def other_shape(start_from: int, start_lora: Mapping[str, Any], adapter: Adapter) -> Broken | None:
    """Another rank or other targets do not load; another alpha loads and multiplies what was learnt."""
    if not adapter.lora_enabled:
        return None
    differs = [name for name, ours in adapter.shape.items() if start_lora[name] != ours]
    if not differs:
        return None
    told = [f"{_NAMES[name]} is {_value(start_lora[name])}, not {_value(adapter.shape[name])}" for name in differs]
    same = Fix("Train in the shape of that adapter", {_NAMES[name]: _setting(start_lora[name]) for name in differs})
    return broken(fixes=(same, _ANEW), start_from=start_from, differences="; ".join(told))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return number(value)
    return value if isinstance(value, str) else names(value)


def _setting(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True, kw_only=True)
class Schedule(Plan):
    """How many steps there are, and how the learning rate goes over them."""

    lr_scheduler_type: str
    learning_rate: float
    warmup_steps: float


@rule(
    code="earlier.new-schedule",
    severity=Severity.ADVICE,
    field=PATH,
    message="It begins with the weights of job {start_from}, with a fresh optimizer and a new schedule of the learning "
    "rate: {schedule}.",
    breaks={
        "start_from": 12,
        "start_weights": True,
        "lr_scheduler_type": "linear",
        "learning_rate": 2e-4,
        "warmup_steps": 0.0,
        "max_steps": 300,
        "rows": 812,
        "bad_row_count": 0,
        "eval_fraction": 0.0,
        "batch_size": 4,
        "gradient_accumulation": 1,
        "num_epochs": 3,
    },
)
def new_schedule(start_from: int, start_weights: bool, plan: Schedule) -> Broken | None:
    """The schedule of the earlier job came to its end, mostly at zero; whoever goes on should know where it begins."""
    steps = plan.steps
    if not start_weights or not steps:
        return None
    words = schedule_in_words(plan.lr_scheduler_type, plan.learning_rate, plan.warmup_steps, steps)
    return broken(start_from=start_from, schedule=words)
