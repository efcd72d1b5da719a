"""Sees to it that every LoRA target learns. One whose weight is used past the adapter gets no gradient, silently."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from peft import PeftModel
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from jobs.rulebook import Fix

from .failures import failure
from .run_file import RunFile

PATIENCE = 3
"""Steps after which every target must have had a gradient; looking on any longer would cost time for nothing."""


class TargetGradients(TrainerCallback):
    """Remembers which LoRA modules had a gradient. Module names are those of the base model."""

    def __init__(self, run: RunFile, model: PeftModel) -> None:
        self.run = run
        self.modules: Mapping[str, list[nn.Parameter]] = lora_modules(model)
        self.learning: set[str] = set()
        self.looking = True

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """A run that goes on after those steps has been looked at."""
        self.looking = state.global_step < PATIENCE

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.looking:
            waiting = self.modules.keys() - self.learning
            self.learning |= {name for name in waiting if any(map(has_gradient, self.modules[name]))}

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.looking and state.global_step >= PATIENCE:
            self.conclude()

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.looking:
            self.conclude()

    def conclude(self) -> None:
        """Raise `TrainingError` when a target has no gradient in any layer while others have one."""
        self.looking = False
        learning, all_targets = set(map(target_of, self.learning)), set(map(target_of, self.modules))
        if learning and (idle := sorted(all_targets - learning)):
            message = (
                f"{', '.join(idle)} of {self.run.model_name} got no gradient, so an adapter there would never be "
                "trained: the model uses the weight past it. Leave it out of the LoRA target modules."
            )
            good = [name for name in self.run.facts.get("lora_targets") or sorted(learning) if name not in idle]
            fix = Fix(f"Use {', '.join(good)}", {"lora.target_modules": good})
            raise failure("target-untrained", "lora.target_modules", message, fix)

    @property
    def counts(self) -> dict[str, int]:
        """For each target the modules that learnt."""
        return count_by_target(self.learning)


def lora_modules(model: PeftModel) -> dict[str, list[nn.Parameter]]:
    """The adapter's trained parameters by the module they sit on."""
    modules = defaultdict(list)
    for name, parameter in model.get_base_model().named_parameters():
        module, found, _ = name.partition(".lora_")
        if found and parameter.requires_grad:
            modules[module.replace(".base_layer", "")].append(parameter)
    return dict(modules)


def has_gradient(parameter: nn.Parameter) -> bool:
    return parameter.grad is not None and bool(parameter.grad.any())


def target_of(module: str) -> str:
    return module.rpartition(".")[2]


def count_by_target(modules: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for module in modules:
        counts[target_of(module)] += 1
    return dict(sorted(counts.items()))
