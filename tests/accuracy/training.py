"""Really trains one run folder with the trainer's own story, looks in between, and says what happened.

Runs in a process of its own, forked from one that has imported the libraries (`lab`). `asked` says whether the trainer
asks the rulebook, as it does for a job that was accepted; for one that was refused that is left out, to see what would
have happened. What the trainer measures and refuses by itself stays in place.
"""

from __future__ import annotations

import json
import math
import time
import traceback
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from jobs.trainer import run as story
from jobs.trainer.events import Events
from jobs.trainer.failures import TrainingError
from jobs.trainer.run_file import RunFile
from jobs.trainer.stopping import StopSignal

from . import looks

MOST_STEPS = 12
"""Optimizer steps after which a run has shown what it will do."""


def train_folder(folder: str, asked: bool, unread: dict[str, Any]) -> dict[str, Any]:
    """`unread` are values of settings that could not be read, taken as they were given."""
    started = time.monotonic()
    outcome = _outcome(Path(folder), asked, unread)
    return outcome | {"seconds": round(time.monotonic() - started, 2)}


def _outcome(folder: Path, asked: bool, unread: dict[str, Any]) -> dict[str, Any]:
    lookout = Lookout(folder)
    try:
        run = RunFile.of(folder)
        run.__dict__["settings"] = {**run.settings, **unread}
        lookout.take_post(run, asked, unread)
        story.fine_tune(folder, run, Events(folder / "events.jsonl"), StopSignal())
    except TrainingError as error:
        return _ended("fails", lookout, error.finding.code, str(error))
    except Exception as error:
        words = (str(error).strip().splitlines() or [""])[0]
        where = traceback.extract_tb(error.__traceback__)[-1]
        return _ended(
            "fails", lookout, "", f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {words}"
        )
    return _ended("silent" if lookout.symptoms else "trains", lookout)


def _ended(outcome: str, lookout: Lookout, code: str = "", error: str = "") -> dict[str, Any]:
    return {"outcome": outcome, "code": code, "error": error[:300], "symptoms": sorted(set(lookout.symptoms))}


class Lookout:
    """Stands behind the trainer's verbs: each does what it always does, and is looked at afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.symptoms: list[str] = []

    def take_post(self, run: RunFile, asked: bool, unread: dict[str, Any]) -> None:
        self.run, self.unread = run, unread
        if not asked:
            story.ask_the_rulebook_again = lambda *_: None
        self._prepare, story.prepare = story.prepare, self.prepare
        self._train, story.train = story.train, self.train
        self._evaluate, story.evaluate = story.evaluate, self.evaluate
        self._save, story.save = story.save, self.save

    def prepare(self, *given: Any, **named: Any) -> Any:
        prepared = self._prepare(*given, **named)
        rows = [json.loads(line) for line in (self.folder / "train.jsonl").read_text().split("\n") if line.strip()]
        prepared.trainer.add_callback(_Enough())
        self.symptoms += looks.at_rows(self.run, self.unread, rows, prepared)
        self.symptoms += looks.at_first_loss(self.run, prepared)
        self.symptoms += looks.at_packing(self.run, prepared)
        self.symptoms += looks.at_causality(prepared)
        return prepared

    def train(self, prepared: Any, *given: Any, **named: Any) -> Any:
        before = looks.weights(prepared.model)
        answer = self._train(prepared, *given, **named)
        self.symptoms += looks.at_steps(self.folder / "events.jsonl", prepared)
        self.symptoms += looks.at_weights(self.run, prepared.model, before)
        return answer

    def evaluate(self, prepared: Any, *given: Any, **named: Any) -> Any:
        metrics = self._evaluate(prepared, *given, **named)
        if prepared.eval_rows is not None and not math.isfinite(metrics.get("eval_loss") or math.nan):
            self.symptoms.append("not-evaluated")
        return metrics

    def save(self, prepared: Any, *given: Any, **named: Any) -> Any:
        answer = self._save(prepared, *given, **named)
        self.symptoms += looks.at_output(self.run, self.folder / "output", prepared.model)
        return answer


class _Enough(TrainerCallback):
    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_training_stop = control.should_training_stop or state.global_step >= MOST_STEPS
