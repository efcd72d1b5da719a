"""Training that can be broken off at any moment and goes on as if it had not been: same floats, same order of rows.

transformers brings back weights, optimizer, scheduler, random state and the place in the rows. Brought back here is
what it leaves out: the loss since the last point of the curve, an evaluation that was due, the best model, and that
the end had been reached. A step or an evaluation that is broken off is undone.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from . import together
from .checkpoints import named
from .keeping import Keeper
from .run_file import RunFile
from .saving import load_adapter, save_weights
from .stopping import Stopped
from .watching import Watcher


class Ended(Exception):
    """The run that is taken up again had taken its last step."""


@dataclass(frozen=True)
class Beside:
    """What a checkpoint holds beside transformers' own state, in resume.json.

    `loss_since_log` and `loss_so_far` are sums over steps, `logged_at` the step of the last point of the curve.
    """

    loss_since_log: float
    loss_so_far: float
    logged_at: int
    evaluation_due: bool
    ended: bool
    watched: dict[str, Any]

    def write(self, folder: Path, rank: int) -> None:
        _beside(folder, rank).write_text(json.dumps(asdict(self)))

    @classmethod
    def of(cls, folder: Path, rank: int) -> Beside:
        return cls(**json.loads(_beside(folder, rank).read_text()))


def _beside(folder: Path, rank: int) -> Path:
    return folder / (f"resume_{rank}.json" if rank else "resume.json")


@dataclass(frozen=True)
class Moment:
    """What changes before the next step is done, as it was when that began: random state and summed loss."""

    python: Any
    numpy: Any
    cpu: torch.Tensor
    cuda: torch.Tensor | None
    loss: torch.Tensor

    @classmethod
    def of(cls, loss: torch.Tensor) -> Moment:
        cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
        return cls(random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda, loss.clone())

    def restore_random(self) -> None:
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda)


class Resumable(Trainer):
    """A trainer of TRL with checkpoints of ours; made by `resumable`. `keep_with` must be called before `train`."""

    model: Any
    optimizer: Any
    processing_class: Any
    state: Any
    keeper: Keeper
    watcher: Watcher
    run: RunFile
    moment: Moment | None = None
    """Where to go back to while a step or an evaluation is under way."""
    evaluating = False
    between_epochs = False
    after_evaluation: Moment | None = None

    def keep_with(self, keeper: Keeper, watcher: Watcher, run: RunFile) -> None:
        """Add this last of all callbacks: the others have then begun."""
        self.keeper, self.watcher, self.run = keeper, watcher, run
        self.add_callback(_Turns(self))

    def _inner_training_loop(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super()._inner_training_loop(*args, **kwargs)
        except Ended:
            return self._finalize_training(None, 0, time.time())  # type: ignore[no-untyped-call]  # transformers

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        """Once the step is told and evaluated, keep a checkpoint if one is due.

        After the last step of an epoch this is called again when the epoch ends, perhaps for an evaluation.
        """
        super()._maybe_log_save_evaluate(*args, **kwargs)
        epoch_ends = self.state.epoch is not None and self.state.epoch == int(self.state.epoch)
        if (epoch_ends or self.ended) and not self.between_epochs:
            return
        if self._agreed(self.keeper.is_due(self.state.global_step, ended=self.ended)):
            self.keep()

    @property
    def ended(self) -> bool:
        return self.control.should_training_stop or 0 < self.state.max_steps <= self.state.global_step

    def _agreed(self, wish: bool) -> bool:
        """What any of the processes wishes that train together; all of them must do the same."""
        return together.agreed(wish)

    def _evaluate(self, *args: Any, **kwargs: Any) -> Any:
        self.moment, self.evaluating = Moment.of(self._tr_loss), True
        metrics = super()._evaluate(*args, **kwargs)
        self.moment, self.evaluating = None, False
        return metrics

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """The best model so far. transformers asks for it; a run that stops early is nothing without."""
        if self.keeper.kept_at != self.state.global_step:
            self._write()

    def keep(self) -> None:
        """Write a checkpoint of the last step that was finished, unless there is one. A run goes on without."""
        if self.state.global_step in (0, self.keeper.kept_at):
            return
        try:
            self._write()
        except Exception as error:
            self.keeper.missed(self.state.global_step, error)

    def _write(self) -> None:
        """Process 0 writes what all have in common; each adds its own random state and loss."""
        if self.moment:
            self.moment.restore_random()
        best = self.state.best_global_step or None
        self.state.best_model_checkpoint = str(named(self.keeper.store, best)) if best else None
        self.state.log_history = []  # a line for each step that nobody reads again
        self.keeper.write(self.state.global_step, self._bytes(), self._fill, best=best)

    def _bytes(self) -> int:
        lora = isinstance(self.model, PeftModel)
        weights = [each for each in self.model.parameters() if each.requires_grad or not lora]
        state = [each for states in self.optimizer.state.values() for each in states.values()]
        return sum(each.nbytes for each in (*weights, *state) if isinstance(each, torch.Tensor))

    def _fill(self, folder: Path) -> None:
        self._save_rng_state(str(folder))
        self._beside().write(folder, self.args.process_index)
        if not self.args.should_save:
            return
        save_weights(self.model, self.run, folder)
        self.processing_class.save_pretrained(folder)
        self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self.state.stateful_callbacks = {
            type(each).__name__: each.state()
            for each in (*self.callback_handler.callbacks, self.control)
            if type(each).__name__ in self.state.stateful_callbacks
        }
        self.state.save_to_json(str(folder / "trainer_state.json"))

    def _beside(self) -> Beside:
        loss = self.moment.loss if self.moment else self._tr_loss
        return Beside(
            loss_since_log=loss.item(),
            loss_so_far=self._total_loss_scalar,
            logged_at=self._globalstep_last_logged,
            evaluation_due=self.evaluating,
            ended=self.ended,
            watched=self.watcher.memory(),
        )

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Into the adapter that is there: PEFT would load another one, in fp32 whatever this one is in."""
        if isinstance(self.model, PeftModel):
            load_adapter(self.model, Path(resume_from_checkpoint))
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        if isinstance(self.model, PeftModel):
            load_adapter(self.model, Path(str(self.state.best_model_checkpoint)))
        else:
            super()._load_best_model()

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """transformers asks for it once the first rows are there. An evaluation made up for comes in between."""
        if self.after_evaluation:
            self.after_evaluation.restore_random()
            self.after_evaluation = None
        else:
            super()._load_rng_state(checkpoint)

    def go_on(self) -> None:
        """All but the place in the rows is loaded: bring back the rest. Raises `Ended` after the last step."""
        found = self.keeper.found
        self.keeper.start()
        if found is None:
            return
        beside = Beside.of(found.folder, self.args.process_index)
        self._tr_loss = torch.tensor(beside.loss_since_log, device=self.args.device)
        self._total_loss_scalar, self._globalstep_last_logged = beside.loss_so_far, beside.logged_at
        self._initial_global_step = 0  # the mean loss is that of the whole run
        self.watcher.remember(beside.watched, self.state)
        if found.best is not None:
            self.state.best_model_checkpoint = str(named(self.keeper.store, found.best))
        if beside.evaluation_due:
            self._make_up_for_evaluation(found.folder)
        if beside.ended or self.control.should_training_stop:
            raise Ended

    def _make_up_for_evaluation(self, folder: Path) -> None:
        """With the random state that it would have had, and that it leaves behind. The best may be what was loaded."""
        self._load_rng_state(str(folder))
        if self._determine_best_metric(self._evaluate(None, None), None):
            self.state.best_model_checkpoint = str(folder)
        self.after_evaluation = Moment.of(self._tr_loss)


class _Turns(TrainerCallback):
    """Tells the trainer where it is."""

    def __init__(self, trainer: Resumable) -> None:
        self.trainer = trainer

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.trainer.go_on()

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """An epoch that begins draws random numbers before its first step, and does so again when it is taken up."""
        self.trainer.between_epochs = False
        self.trainer.moment = Moment.of(self.trainer._tr_loss)

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """A step of one batch is never broken off."""
        if self.trainer._agreed(self.trainer.watcher.stop.wanted):
            raise Stopped
        if args.gradient_accumulation_steps > 1 and self.trainer.moment is None:
            self.trainer.moment = Moment.of(self.trainer._tr_loss)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.trainer.moment = None

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.trainer.between_epochs = True


def resumable(trainer: type[Trainer]) -> type[Resumable]:
    return type(f"Resumable{trainer.__name__}", (Resumable, trainer), {})
