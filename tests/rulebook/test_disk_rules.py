"""What is said about the disk before it fills up, and what would make a run fit."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.rulebook import RULES, Severity, read
from jobs.rulebook.disk import Saving, fullest, least
from jobs.rulebook.estimate import disk_needed, estimate
from jobs.rulebook.findings import Finding
from jobs.rulebook.memory import total
from jobs.rulebook.rules.disk import _BREAKS, ROOM_LEFT

from .world import World, codes, spec

GB = 10**9
PATHS = {"training.save_steps": "save_steps", "lora.enabled": "lora_enabled",
         "training.early_stopping_patience": "early_stopping_patience"}  # fmt: skip
HELD_OUT = {"eval_fraction": 0.1, "early_stopping_patience": 3}


def found(code: str = "disk.run-too-large", **changes: Any) -> list[Finding]:
    return RULES[code].findings({**_BREAKS, **changes})


def saving(**changes: Any) -> Saving:
    known = disk_needed({**_BREAKS, **changes})
    assert known
    return known


def parts(**changes: Any) -> dict[str, int]:
    """What there must be room for."""
    return {part.name: part.bytes for part in least(saving(**changes))}


def test_it_says_what_is_needed_of_what_and_that_it_blocks() -> None:
    (finding,) = found()
    assert finding.severity is Severity.ERROR
    assert finding.message.startswith("The run would take 289.")
    assert "checkpoints 289." in finding.message and "only 200.0 GB are free" in finding.message


def test_the_mildest_change_that_fits_comes_first() -> None:
    labels = [fix.label.partition(" (")[0] for fix in found()[0].fixes]
    assert labels == ["Keep one checkpoint, at the end", "Keep no checkpoints", "Train a LoRA adapter"]


@pytest.mark.parametrize("gigabytes", [1, 20, 36, 60, 140, 200, 280])
@pytest.mark.parametrize("changes", [{}, {"save_steps": None}, HELD_OUT, {**HELD_OUT, "save_steps": None}])
def test_every_change_offered_really_fits(gigabytes: int, changes: dict[str, Any]) -> None:
    facts = {**_BREAKS, **changes, "disk_free": gigabytes * GB}
    for finding in RULES["disk.run-too-large"].findings(facts):
        for fix in finding.fixes:
            after = disk_needed(facts | {PATHS[path]: value for path, value in fix.changes.items()})
            assert after and total(least(after)) <= ROOM_LEFT * gigabytes * GB, fix.label


def test_at_most_three_checkpoints_lie_there_at_once() -> None:
    """The third is written before the first goes."""
    once = saving(save_steps=609).checkpoint
    assert [parts(save_steps=every)["Checkpoints"] // once for every in (609, 305, 100, 1)] == [1, 2, 3, 3]


def test_without_checkpoints_only_the_result_counts() -> None:
    whole = parts(save_steps=None)
    assert "Checkpoints" not in whole
    assert whole["Result"] == pytest.approx(4 * 8_030_000_000, rel=0.001)


def test_an_adapter_takes_a_thousandth() -> None:
    assert total(fullest(saving(lora_enabled=True))) < total(fullest(saving())) / 500


def test_checkpoints_hold_the_optimizer_those_of_early_stopping_too() -> None:
    best = saving(**HELD_OUT, save_steps=None)
    assert (best.checkpoints, best.checkpoint) == (3, pytest.approx(3 * best.weights, rel=0.01))
    assert saving(eval_fraction=0.1, save_steps=None).checkpoints == 0, "nobody goes back to the best"


def test_checkpoints_come_by_time_unless_the_run_is_short() -> None:
    """Where nobody knows how long it takes, they are counted."""
    assert saving(save_steps=None).by_time == 3
    assert saving(save_steps=None, max_steps=2).by_time == 2
    work = {"gpus": 1, "gradient_checkpointing": True, "max_length": 100, "token_ceiling": 1000, "num_processes": 1}
    pace = {"gpu sft full none checkpointed": [[1.0, 1e-15]]}
    seconds = estimate({**_BREAKS, **work, "pace_history": pace}).seconds
    assert seconds and seconds < 10 * 60
    assert saving(save_steps=None, **work, pace_history=pace).by_time == 0


def test_a_run_that_fits_without_checkpoints_is_warned_about_only() -> None:
    short = {"save_steps": None, "disk_free": 100 * GB}
    assert codes_of(**short) == []
    (warning,) = found("disk.no-room-for-checkpoints", **short)
    assert warning.severity is Severity.WARNING
    assert "checkpoints 289." in warning.message
    assert [fix.label.partition(" (")[0] for fix in warning.fixes] == ["Train a LoRA adapter"]
    assert found("disk.no-room-for-checkpoints", **{**short, "disk_free": 300 * GB}) == []
    assert found("disk.no-room-for-checkpoints", **{**short, "disk_free": 20 * GB}) == [], "it is refused instead"


def test_the_download_counts_where_models_lie_beside_runs() -> None:
    absent = {"model_cache": "absent", "bytes_to_fetch": 16 * GB, "save_steps": None}
    assert parts(**absent)["Download"] == 16 * GB
    assert "Download" not in parts(**absent, models_apart=True)
    assert codes_of(disk_free=40 * GB, **absent) == ["disk.run-too-large"]
    assert codes_of(disk_free=40 * GB, **absent, models_apart=True) == []


def codes_of(**changes: Any) -> list[str]:
    return [finding.code for finding in found(**changes)]


def test_little_room_left_is_warned_of() -> None:
    assert [finding.code for finding in found("disk.tight", disk_free=300 * GB)] == ["disk.tight"]
    assert found("disk.tight", disk_free=400 * GB) == []


def test_what_is_not_known_is_not_claimed() -> None:
    unknown = {"target_modules": None, "lora_targets": None, "lora_enabled": True}
    assert found(**unknown, disk_free=1) == []


def test_the_estimate_tells_the_disk_in_parts_that_add_up() -> None:
    reckoned = estimate(World().known(read(spec(**{"training.save_steps": 100})))).as_dict()
    assert sum(part["bytes"] for part in reckoned["disk"]) == reckoned["disk_bytes"] > 60_000_000


def test_a_full_disk_stops_a_job_of_the_world() -> None:
    full = World(changes={"disk_free": 10**7})
    assert "disk.run-too-large" in codes(full.report(read(spec())))
