"""What the meter tells of a run that it was told of step by step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jobs.trainer import measuring
from jobs.trainer.measuring import Meter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Seconds that pass when they are told to; the processor's memory is of no account here."""
    now = SimpleNamespace(time=100.0)
    monkeypatch.setattr(measuring.time, "monotonic", lambda: now.time)
    monkeypatch.setattr(measuring, "peak", lambda: 10**9)
    monkeypatch.setattr(measuring, "forget_peak", lambda: None)
    return now


def measured(clock: Any, *steps: float) -> dict[str, Any]:
    meter = Meter()
    args: Any = SimpleNamespace(per_device_train_batch_size=2, gradient_accumulation_steps=3)
    nothing: Any = None
    clock.time += 5
    meter.on_train_begin(args, nothing, nothing)
    for number, seconds in enumerate(steps, start=1):
        meter.on_step_begin(args, nothing, nothing)
        clock.time += seconds
        meter.on_step_end(args, nothing, nothing)
        meter.on_log(args, nothing, nothing, logs={"num_tokens": number * 600})
    meter.on_train_end(args, nothing, nothing)
    return meter.report()


def test_it_tells_the_batch_that_was_trained(clock: Any) -> None:
    told = measured(clock, 1.0)
    assert (told["batch_size"], told["gradient_accumulation"]) == (2, 3)


def test_the_first_step_is_told_apart(clock: Any) -> None:
    told = measured(clock, 9.0, 1.0, 2.0, 3.0)
    assert (told["first_step_seconds"], told["seconds_per_step"], told["steps_timed"]) == (9.0, 2.0, 3)
    assert (told["seconds_before"], told["train_seconds"]) == (5.0, 15.0)


def test_tokens_are_told_per_step_and_second(clock: Any) -> None:
    told = measured(clock, 2.0, 2.0)
    assert (told["tokens_per_step"], told["tokens_per_second"]) == (600, 300.0)


def test_a_run_without_a_step_tells_no_pace(clock: Any) -> None:
    told = measured(clock)
    assert (told["seconds_per_step"], told["tokens_per_step"]) == (None, None)
