"""Watches the training loop: reports every step, stops when asked, refuses a run that learns nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from jobs.rulebook.rates import schedule_in_words

from .checks import no_gradient, require_finite_loss
from .events import Events
from .run_file import RunFile
from .stopping import StopSignal


def new_schedule(run: RunFile, steps: int) -> str:
    """What a run says that begins with the weights of an earlier one."""
    scheduler, rate, warmup = (run.settings[f"training.{name}"] for name in _RATE)
    words = schedule_in_words(scheduler, rate, warmup, steps)
    return f"It begins with the weights of an earlier job, a fresh optimizer and a new schedule: {words}."


_RATE = ("lr_scheduler_type", "learning_rate", "warmup_steps")
PATIENCE = 3
"""Steps after which a gradient must have been seen. One alone may be zero: a short row whose every token is masked."""


class Watcher(TrainerCallback):
    """`prepared` are the fields of an event that is due as soon as the number of steps is known."""

    _REMEMBERED = ("gradient_seen", "loss", "eval_loss", "evaluated_at")

    def __init__(self, run: RunFile, events: Events, stop: StopSignal) -> None:
        self.run, self.events, self.stop = run, events, stop
        self.prepared: dict[str, Any] = {}
        self.gradient_seen = False
        self.loss: float | None = None
        self.eval_loss: float | None = None
        self.evaluated_at: int | None = None
        self.begins_anew: Callable[[str], None] | None = None
        """Told the schedule in words, where the weights come from an earlier job."""

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.started = time.monotonic()
        if self.begins_anew:
            self.begins_anew(new_schedule(self.run, state.max_steps))
        self.events.write("prepared", **self.prepared, total_steps=state.max_steps)
        self.events.stage("training", f"Training, {state.max_steps} steps")

    def on_substep_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._check(args)

    def _check(self, args: TrainingArguments) -> None:
        """In the midst of a step one of several processes cannot stop alone: the others would wait for it."""
        if args.world_size == 1:
            self.stop.check()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.stop.step = state.global_step

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._check(args)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """transformers logs evaluations and a summary through here too; those have no `loss`."""
        logs = given["logs"]
        if "loss" not in logs:
            return
        self.loss = logs["loss"]
        self.events.write(
            "step",
            step=state.global_step,
            total_steps=state.max_steps,
            epoch=state.epoch,
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            grad_norm=logs["grad_norm"],
            seconds=round(time.monotonic() - self.started, 3),
        )
        require_finite_loss(self.run, logs["loss"], state.global_step)
        self._require_gradient(logs["grad_norm"], state.global_step)

    def _require_gradient(self, grad_norm: float, step: int) -> None:
        """In fp16 a first gradient may overflow to infinity; that is a gradient too."""
        self.gradient_seen = self.gradient_seen or grad_norm > 0 or math.isnan(grad_norm)
        if not self.gradient_seen and step >= PATIENCE:
            raise no_gradient()

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        self.eval_loss, self.evaluated_at = given["metrics"]["eval_loss"], state.global_step
        self.events.write("eval", step=state.global_step, eval_loss=self.eval_loss)

    def memory(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        seconds = round(time.monotonic() - self.started, 3)
        return {**{name: getattr(self, name) for name in self._REMEMBERED}, "seconds": seconds}

    def remember(self, memory: dict[str, Any], state: TrainerState) -> None:
        """Go on where another attempt left off."""
        for name in self._REMEMBERED:
            setattr(self, name, memory[name])
        self.started -= memory["seconds"]
        self.stop.step = state.global_step
        self.events.write("resumed", step=state.global_step, epoch=state.epoch)
        self.events.stage("training", f"Training, going on from step {state.global_step} of {state.max_steps}")
