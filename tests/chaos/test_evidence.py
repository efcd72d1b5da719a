"""The judge of the chaos must see each kind of fault when there is one."""

from __future__ import annotations

import fcntl
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from tests.chaos import evidence, verdict
from tests.chaos.evidence import Life
from tests.chaos.people import Person
from tests.chaos.processes import is_held
from tests.chaos.wishes import STEPS, Wishes
from tests.chaos.witness import Witness
from tests.chaos.world import World


def life(attempt: int = 1, first: float = 0, last: float = 10, *, job: int = 1, **changes: Any) -> Life:
    return Life(job=job, attempt=attempt, first=first, last=last, **changes)


def steps(numbers: Iterable[int], loss: float = 1.0) -> dict[int, float]:
    return dict.fromkeys(numbers, loss)


def test_attempts_one_after_the_other_are_well():
    assert evidence.run_twice([life(1, 0, 10), life(2, 10, 20), life(1, 5, 15, job=2)]) == []


def test_attempts_at_once_are_seen():
    assert len(evidence.run_twice([life(1, 0, 10), life(2, 9.9, 20)])) == 1


def test_a_shared_place_is_seen():
    assert len(evidence.shared_a_place([life(slots=(0, 1)), life(job=2, first=5, last=6, slots=(1,))])) == 1
    assert evidence.shared_a_place([life(slots=(0,)), life(job=2, slots=(1,))]) == []


def test_going_back_behind_a_checkpoint_is_seen():
    before = life(1, losses=steps(range(1, 50)), checkpoints=(20, 40))
    assert evidence.went_back_too_far([before, life(2, resumed_at=40, losses=steps([41]))]) == []
    assert len(evidence.went_back_too_far([before, life(2, resumed_at=20, losses=steps([21]))])) == 1
    assert len(evidence.went_back_too_far([before, life(2, losses=steps([1]))])) == 1


def test_steps_that_were_made_again_are_counted():
    found = [life(1, losses=steps(range(1, 31))), life(2, losses=steps(range(21, 41)))]
    assert evidence.steps_made(found) == (50, 10)


def test_other_losses_at_the_same_step_are_seen():
    found = [life(losses={1: 2.0, 2: 1.5}), life(job=2, losses={1: 2.0, 2: 1.4})]
    assert evidence.differing_losses(found, lambda job: "SFT") == [("SFT", 2, {1.5, 1.4})]
    assert evidence.differing_losses(found, str) == []


def test_lives_are_read_from_what_trainers_wrote(tmp_path: Path):
    folder = tmp_path / "7" / "2"
    folder.mkdir(parents=True)
    told = [
        {"event": "started", "slots": [1]},
        {"event": "resumed", "step": 20},
        {"event": "step", "step": 21, "loss": 1.25},
        {"event": "checkpoint", "step": 21},
        {"event": "finished"},
    ]
    lines = [json.dumps({"at": f"2026-01-01T00:00:0{n}+00:00", **each}) for n, each in enumerate(told)]
    (folder / "events.jsonl").write_text("\n".join(lines) + '\n{"at": "2026-')
    [found] = evidence.lives(tmp_path)
    assert (found.job, found.attempt, found.slots, found.resumed_at) == (7, 2, (1,), 20)
    assert (found.losses, found.checkpoints, found.finished) == ({21: 1.25}, (21,), True)
    assert found.last - found.first == 4


@pytest.fixture
def wishes() -> Wishes:
    return Wishes(cast(World, None), random.Random(0))  # noqa: S311


def ended(state: str, **changes: Any) -> dict[str, Any]:
    return {"id": 1, "state": state, "error": None, "step": STEPS, "artifacts": [], **changes}


def test_a_job_that_nobody_cancelled_may_not_be_cancelled(wishes: Wishes, tmp_path: Path):
    assert verdict.wrong_end(ended("cancelled"), wishes, tmp_path, []) != ""
    wishes.cancelled[1] = 0.0
    assert verdict.wrong_end(ended("cancelled"), wishes, tmp_path, []) == ""


def test_a_success_needs_every_step_and_every_file(wishes: Wishes, tmp_path: Path):
    output = tmp_path / "1" / "1" / "output"
    output.mkdir(parents=True)
    (output / "adapter").write_bytes(b"weights")
    digest = "9b7dc2bb7b4e4c3e4a9d2d2f9b3d1e5f"
    whole = life(losses=steps(range(1, STEPS + 1)), finished=True)
    wrong = ended("succeeded", artifacts=[{"name": "adapter", "sha256": digest}])
    assert "not what was written" in verdict.wrong_end(wrong, wishes, tmp_path, [whole])
    short = life(losses=steps(range(1, STEPS)), finished=True)
    assert "399 steps" in verdict.wrong_end(wrong, wishes, tmp_path, [short])
    assert "without a result" in verdict.wrong_end(ended("succeeded"), wishes, tmp_path, [whole])


def test_failing_is_right_only_after_three_deaths_without_progress(wishes: Wishes, tmp_path: Path):
    stuck = [life(n, checkpoints=()) for n in (1, 2, 3)]
    killed = ended("failed", attempt=3, error={"code": "run.killed"})
    assert verdict.wrong_end(killed, wishes, tmp_path, stuck) == ""
    assert verdict.wrong_end({**killed, "attempt": 2}, wishes, tmp_path, stuck[:2]) != ""
    assert verdict.wrong_end(killed, wishes, tmp_path, [*stuck[:2], life(3, checkpoints=(5,))]) != ""
    assert verdict.wrong_end({**killed, "error": {"code": "run.machine-stopped"}}, wishes, tmp_path, stuck) != ""


def test_a_page_that_says_running_without_a_living_process_is_seen(tmp_path: Path):
    (tmp_path / "1").mkdir()
    witness = Witness(cast(Person, None), tmp_path)
    with (tmp_path / "1" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert is_held(tmp_path / "1" / "lock")
        witness.compare({1}, now=0)
        witness.compare({1}, now=50)
        assert witness.longest_lie == 0
    witness.compare({1}, now=100)
    witness.compare({1}, now=131)
    assert (witness.longest_lie, witness.liar) == (31, 1)
