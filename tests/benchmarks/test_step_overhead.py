"""What watching costs a step: events, metrics, the fence and the checkpoints' clock, beside what TRL alone does.

Two runs differ by more than a hundredth on any machine that does something else too. So the time is taken within one
run: everything that is ours in its loop is timed, and the rest of the same steps is the bare step.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from jobs.trainer.events import Events
from jobs.trainer.fence import Fence
from jobs.trainer.gradients import TargetGradients
from jobs.trainer.keeping import Keeper
from jobs.trainer.measuring import Meter
from jobs.trainer.resuming import Resumable, _Turns
from jobs.trainer.run import fine_tune
from jobs.trainer.run_file import RunFile
from jobs.trainer.stopping import StopSignal
from jobs.trainer.watching import Watcher
from tests.benchmarks.figures import show
from tests.tiny_models import SIZES, make_tiny_model
from tests.trainer.runs import make_run

pytestmark = [pytest.mark.slow, pytest.mark.benchmark, pytest.mark.filterwarnings("ignore")]  # the libraries' own

STEPS, FIRST = 25, 5
"""The first steps also look whether anything is learnt; later ones are alike, up to the end of the longest run."""
GOAL = 1.01
OURS = (Watcher, Meter, TargetGradients, _Turns)
WIDE = {"hidden_size": 320, "intermediate_size": 768, "num_hidden_layers": 6, "num_attention_heads": 5,
        "num_key_value_heads": 5, "max_position_embeddings": 256}  # fmt: skip
"""A step of some tenths of a second on one core: less than one of a real model on a GPU takes."""


class Stopwatch:
    """Seconds spent in all that it was put on. What one timed function calls of others is counted once."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0
        self.laps: list[tuple[float, float]] = []

    def on(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            began, self._depth = time.perf_counter(), self._depth + 1
            try:
                return function(*args, **kwargs)
            finally:
                self._depth -= 1
                self.seconds += 0 if self._depth else time.perf_counter() - began

        return timed

    def per_step(self) -> tuple[list[float], list[float]]:
        """Seconds of each step from the fifth on, with what is ours and without."""
        pairs = list(zip(self.laps[FIRST:], self.laps[FIRST + 1 :], strict=False))
        whole = [after - before for (before, _), (after, _) in pairs]
        return whole, [each - (spent - sofar) for each, ((_, sofar), (_, spent)) in zip(whole, pairs, strict=True)]


def test_watching_a_step_costs_less_than_a_hundredth_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "llama", WIDE)
    model = make_tiny_model(tmp_path / "model", chat=True)
    run_dir = make_run(tmp_path / "run", model, training__max_steps=STEPS, data__packing=True, data__max_length=128)
    (run_dir / "lease.json").write_text(json.dumps({"until": time.time() + 3600}))
    watch = Stopwatch()
    put_on_all_that_is_ours(watch, monkeypatch)
    stop = StopSignal(Fence(run_dir))
    torch.set_num_threads(1)  # threads that wait for each other measure what else the machine does
    fine_tune(run_dir, RunFile.of(run_dir), Events(run_dir / "events.jsonl"), stop)
    whole, bare = watch.per_step()
    assert len(whole) > STEPS / 2 and whole != bare
    assert show("step_overhead", whole, bare, goal=GOAL)


def put_on_all_that_is_ours(watch: Stopwatch, monkeypatch: pytest.MonkeyPatch) -> None:
    for callback in OURS:
        for name in [each for each in vars(callback) if each.startswith("on_")]:
            monkeypatch.setattr(callback, name, watch.on(getattr(callback, name)))
    monkeypatch.setattr(Keeper, "is_due", watch.on(Keeper.is_due))
    monkeypatch.setattr(Resumable, "_agreed", watch.on(Resumable._agreed))
    begins = _Turns.on_step_begin

    def lap(*args: Any, **kwargs: Any) -> None:
        watch.laps.append((time.perf_counter(), watch.seconds))
        begins(*args, **kwargs)

    monkeypatch.setattr(_Turns, "on_step_begin", lap)
