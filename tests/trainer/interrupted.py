"""Trains jobs in this process, stops them at chosen moments and has them go on as later attempts would."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from jobs.trainer.events import Events
from jobs.trainer.fence import Fence
from jobs.trainer.run import Prepared, fine_tune
from jobs.trainer.run_file import RunFile
from jobs.trainer.stopping import EXIT_CODE, Stopped, StopSignal
from tests.trainer.runs import Outcome, make_run

CURVE = ("loss", "learning_rate", "grad_norm", "epoch")


@dataclass
class At(TrainerCallback):
    """A wish to stop that comes after `step` steps: `then`, in the midst of the next, or in the next evaluation."""

    step: int
    then: str = "at once"

    def __post_init__(self) -> None:
        self.stop = StopSignal()

    def _wish(self, state: TrainerState) -> None:
        self.stop.requested = self.stop.requested or state.global_step >= self.step

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.then == "at once":
            self._wish(state)

    def on_substep_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.then == "in the midst of the next":
            self._wish(state)
            self.stop.check()

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.then == "in the next evaluation":
            self._wish(state)
            self.stop.check()


@dataclass
class LeaseEnds(At):
    """The lease of a folder is over after `step` steps."""

    run_dir: Path = Path()

    def _wish(self, state: TrainerState) -> None:
        until = 0 if state.global_step >= self.step else time.time() + 60
        (self.run_dir / "lease.json").write_text(json.dumps({"until": until}))


def attempt(run_dir: Path, stop: At | None = None, *, earlier: Sequence[Path] = (), **told: Any) -> Outcome:
    """One attempt at the job of a folder, with the checkpoints of earlier attempts; `told` joins in run.json."""
    tell(run_dir, checkpoints=[str(folder / "checkpoints") for folder in earlier], **told)
    signal = stop.stop if stop else StopSignal()
    signal.fence = Fence(run_dir)

    def listen(prepared: Prepared) -> None:
        if stop:
            prepared.trainer.add_callback(stop)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fine_tune(run_dir, RunFile.of(run_dir), Events(run_dir / "events.jsonl"), signal, before_training=listen)
    except Stopped:
        return Outcome(run_dir, EXIT_CODE, "")
    finally:
        torch.set_num_threads(threads)
    return Outcome(run_dir, 0, "")


def tell(run_dir: Path, **told: Any) -> None:
    path = run_dir / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | told))


def curve(*attempts: Outcome) -> dict[str, dict[int, Any]]:
    """Every point that was told, by its step; what a later attempt repeats replaces what an earlier one told."""
    steps = {each["step"]: [each[name] for name in CURVE] for run in attempts for each in run.said("step")}
    evaluations = {each["step"]: each["eval_loss"] for run in attempts for each in run.said("eval")}
    return {"steps": steps, "evaluations": evaluations}


def weights(outcome: Outcome) -> dict[str, torch.Tensor]:
    (file,) = outcome.output.glob("*.safetensors")
    loaded: dict[str, torch.Tensor] = load_file(file)
    return loaded


def assert_same(whole: Outcome, *attempts: Outcome) -> None:
    """The same points to the last bit, and the same weights."""
    assert (whole.code, attempts[-1].code) == (0, 0)
    assert curve(*attempts) == curve(whole)
    expected, got = weights(whole), weights(attempts[-1])
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[name], got[name]) for name in expected)


def interrupt(root: Path, model: Path, kind: str, *stops: At, **changes: Any) -> tuple[Outcome, list[Outcome]]:
    """The job without interruption, and with one attempt for each stop and a last one that ends."""
    whole = attempt(make_run(root / "whole", model, kind, **changes))
    attempts: list[Outcome] = []
    for number, stop in enumerate([*stops, None], start=1):
        run_dir = make_run(root / str(number), model, kind, **changes)
        attempts.append(attempt(run_dir, stop, earlier=[each.run_dir for each in reversed(attempts)]))
    return whole, attempts
