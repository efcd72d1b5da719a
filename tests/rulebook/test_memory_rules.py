"""What is said about memory before it is spent, and what would make a job fit."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.rulebook import RULES, Severity, read
from jobs.rulebook.estimate import TIGHT, estimate, memory_needed, verdict
from jobs.rulebook.findings import Finding
from jobs.rulebook.rules.memory import _BREAKS

from .world import World, codes, spec

GB = 10**9


def found(code: str, **changes: Any) -> list[Finding]:
    return RULES[code].findings({**_BREAKS, **changes})


def test_the_mildest_change_that_fits_comes_first_and_says_what_it_would_need() -> None:
    (finding,) = found("memory.too-large")
    assert finding.severity is Severity.WARNING
    assert finding.fixes[0].changes == {"training.gradient_checkpointing": True}
    assert finding.fixes[0].label.endswith("(would need 21.2 GB of 48.0 GB)")


def test_a_smaller_batch_keeps_the_rows_of_a_step() -> None:
    (finding,) = found("memory.too-large")
    changes = finding.fixes[1].changes
    assert changes == {"training.batch_size": 2, "training.gradient_accumulation": 4}


@pytest.mark.parametrize("gigabytes", [17, 20, 24, 32, 48, 64])
@pytest.mark.parametrize("lora", [True, False])
def test_every_change_offered_really_fits(gigabytes: int, lora: bool) -> None:
    facts = {**_BREAKS, "gpu_memory": gigabytes * GB, "lora_enabled": lora, "packages": ("bitsandbytes",)}
    paths = {"training.gradient_checkpointing": "gradient_checkpointing", "training.batch_size": "batch_size",
             "training.gradient_accumulation": "gradient_accumulation", "data.max_length": "max_length",
             "quantization": "quantization", "lora.enabled": "lora_enabled"}  # fmt: skip
    fixes = [fix for code in ("memory.too-large", "memory.weights-too-large")
             for finding in RULES[code].findings(facts) for fix in finding.fixes]  # fmt: skip
    assert fixes
    for fix in fixes:
        needed = memory_needed(facts | {paths[path]: value for path, value in fix.changes.items()})
        assert needed and needed[0] <= TIGHT * gigabytes * GB, fix.label


def test_only_weights_that_cannot_fit_block() -> None:
    assert found("memory.weights-too-large") == []
    (finding,) = found("memory.weights-too-large", gpu_memory=12 * GB)
    assert finding.severity is Severity.ERROR
    assert found("memory.too-large", gpu_memory=12 * GB) == []


def test_quantization_is_offered_only_where_its_package_is() -> None:
    (without,) = found("memory.weights-too-large", gpu_memory=12 * GB)
    assert without.fixes == ()
    (with_it,) = found("memory.weights-too-large", gpu_memory=12 * GB, packages=("bitsandbytes",))
    assert with_it.fixes[0].changes["quantization"] == "4bit"


def test_a_tight_place_is_warned_of() -> None:
    assert [finding.code for finding in found("memory.tight", gpu_memory=80 * GB)] == ["memory.tight"]
    assert found("memory.tight", gpu_memory=200 * GB) == []


def test_without_a_gpu_the_memory_of_the_machine_counts() -> None:
    small = World(changes={"ram": 2 * GB})
    assert "memory.too-large" in codes(small.report(read(spec(**{"lora.enabled": False}))))


def test_short_rows_need_less_than_what_would_be_kept() -> None:
    short, long = (memory_needed({**_BREAKS, "token_ceiling": ceiling}) for ceiling in (300, 100_000))
    assert short and long and short[0] < long[0] / 2


@pytest.mark.parametrize(("needed", "expected"), [(80, "fits"), (90, "tight"), (101, "exceeded"), (None, "unknown")])
def test_a_place_gets_a_verdict(needed: int | None, expected: str) -> None:
    assert verdict(needed, 100) == expected


def test_every_gpu_is_judged_by_itself() -> None:
    gpus = [{"index": index, "name": "Card", "memory": memory} for index, memory in enumerate((10 * GB, 10**8))]
    facts = World(changes={"gpus": 2, "gpu_list": gpus}).known(read(spec()))
    assert [place.verdict for place in estimate(facts).gpus] == ["fits", "exceeded"]


def test_a_machine_without_a_gpu_is_the_place() -> None:
    (place,) = estimate(World(changes={"ram": 64 * GB}).known(read(spec()))).gpus
    assert (place.index, place.memory, place.verdict) == (None, 64 * GB, "fits")
