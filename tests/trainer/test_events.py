"""The trainer's voice: whole lines of valid JSON, whatever happens."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from jobs.trainer.events import Events
from jobs.trainer.stopping import Stopped, StopSignal


def read_events(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_event_is_one_line_with_its_time_and_name(tmp_path: Path) -> None:
    events = Events(tmp_path / "events.jsonl")
    events.stage("loading", "Loading\nthe model")
    events.write("checkpoint", step=3)
    first, second = read_events(tmp_path / "events.jsonl")
    assert (first["event"], first["stage"], first["text"]) == ("stage", "loading", "Loading\nthe model")
    assert (second["event"], second["step"]) == ("checkpoint", 3)
    assert str(second["at"]).endswith("+00:00")


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    Events(tmp_path / "events.jsonl").write("step", loss=math.nan, grad_norm=math.inf, epoch=0.5)
    (event,) = read_events(tmp_path / "events.jsonl")
    assert (event["loss"], event["grad_norm"], event["epoch"]) == (None, None, 0.5)


def test_an_event_can_be_read_as_soon_as_it_is_written(tmp_path: Path) -> None:
    events = Events(tmp_path / "events.jsonl")
    for number in range(3):
        events.write("checkpoint", step=number)
        assert len(read_events(tmp_path / "events.jsonl")) == number + 1


def test_a_second_attempt_at_writing_adds_to_the_first(tmp_path: Path) -> None:
    for _ in range(2):
        Events(tmp_path / "events.jsonl").write("stopped", step=1)
    assert len(read_events(tmp_path / "events.jsonl")) == 2


def test_outside_of_steps_a_stop_comes_at_once() -> None:
    stop = StopSignal()
    with pytest.raises(Stopped):
        stop.receive()


def test_within_steps_a_stop_waits_for_the_end_of_the_step() -> None:
    stop = StopSignal()
    with pytest.raises(Stopped), stop.only_between_steps():
        stop.receive()
        assert stop.requested
        stop.step = 1
        stop.check()
        raise AssertionError("check lets the run go on")
    assert stop.step == 1


def test_a_stop_after_the_last_step_is_not_forgotten() -> None:
    stop = StopSignal()
    with pytest.raises(Stopped), stop.only_between_steps():
        stop.receive()
