"""What is said about memory before it is spent, and what would make a job fit."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.rulebook import RULES, Severity, read
from jobs.rulebook.cards import choose
from jobs.rulebook.estimate import TIGHT, estimate, memory_needed, rows_longer, verdict
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
@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_every_change_offered_really_fits(gigabytes: int, lora: bool, precision: str) -> None:
    known = {"gpu_memory": gigabytes * GB, "lora_enabled": lora, "packages": ("bitsandbytes",), "precision": precision}
    facts = {**_BREAKS, **known}
    paths = {"training.gradient_checkpointing": "gradient_checkpointing", "training.batch_size": "batch_size",
             "training.gradient_accumulation": "gradient_accumulation", "data.max_length": "max_length",
             "quantization": "quantization", "lora.enabled": "lora_enabled", "training.optim": "optim",
             "training.precision": "precision"}  # fmt: skip
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


LONG = {"batch_size": 1, "gpu_memory": 24 * GB, "gradient_checkpointing": True, "max_length": 16_384}


def test_a_shorter_length_says_how_many_rows_it_cuts() -> None:
    (finding,) = found("memory.too-large", **LONG, row_tokens=((500, 600), (3000, 200), (6000, 12)))
    assert finding.fixes[0].label.startswith("Keep 4096 tokens of a row, which cuts about 8 rows of 812 (would need")


def test_without_counted_tokens_no_number_is_claimed() -> None:
    (finding,) = found("memory.too-large", **LONG)
    assert finding.fixes[0].label.startswith("Keep 4096 tokens of a row, longer ones are cut (would need")


BARS = ((10, 4), (20, 4), (30, 2))


@pytest.mark.parametrize(("length", "rows"), [(0, 10), (5, 8), (10, 6), (15, 4), (29, 0), (30, 0), (99, 0)])
def test_rows_longer_than_a_length_are_told_from_bars(length: int, rows: int) -> None:
    assert rows_longer(BARS, length) == rows


def test_computing_in_16_bits_is_offered_before_rows_are_cut() -> None:
    (finding,) = found("memory.too-large", **{**LONG, "max_length": 1024, "gpu_memory": 33 * GB}, precision="fp32")
    assert finding.fixes[0].changes == {"training.precision": "auto"}


@pytest.mark.parametrize(("packages", "optimizer"), [((), "adafactor"), (("bitsandbytes",), "adamw_8bit")])
def test_a_smaller_optimizer_is_offered_where_all_weights_are_trained(
    packages: tuple[str, ...], optimizer: str
) -> None:
    (finding,) = found("memory.too-large", lora_enabled=False, gradient_checkpointing=True, batch_size=1,
                       gpu_memory=100 * GB, packages=packages)  # fmt: skip
    assert finding.fixes[0].changes == {"training.optim": optimizer}


CARDS = [{"index": 0, "name": "L4", "memory": 24 * GB, "free": 24 * GB},
         {"index": 1, "name": "H100", "memory": 80 * GB, "free": 80 * GB},
         {"index": 2, "name": "H100", "memory": 80 * GB, "free": 2 * GB}]  # fmt: skip
ALL = {0, 1, 2}


@pytest.mark.parametrize(
    ("gigabytes", "free", "card"),
    [
        (10, ALL, 0),  # the smallest that suits
        (10, {1, 2}, 1),  # any larger one suits as well; of two the one that is empty
        (40, ALL, 1),
        (40, {0}, None),  # it waits
        (40, {0, 2}, 2),  # others have filled it, and there is no other
        (90, ALL, 1),  # fits nowhere: the largest
        (None, ALL, 0),
    ],
)
def test_a_job_gets_the_card_it_needs(gigabytes: int | None, free: set[int], card: int | None) -> None:
    assert choose(gigabytes and gigabytes * GB, CARDS, free) == card


def test_it_is_said_which_card_a_job_waits_for() -> None:
    changes = {"gpus": 2, "gpu_memory": 80 * GB, "gradient_checkpointing": True, "max_length": 2048}
    (finding,) = found("memory.another-card", **changes, gpu_list=CARDS[:2])
    assert (
        "more than GPU 0 (L4, 24.0 GB) has room for, so it will wait for GPU 1 (H100, 80.0 GB), which is free now"
        in (finding.message)
    )
    assert found("memory.another-card", **changes, gpu_list=CARDS[1:]) == [], "they are alike"
    for fix in finding.fixes:
        after = {paths_to_facts[path]: value for path, value in fix.changes.items()}
        assert found("memory.another-card", **{**changes, **after}, gpu_list=CARDS[:2]) == []


paths_to_facts = {"training.batch_size": "batch_size", "training.gradient_accumulation": "gradient_accumulation",
                  "data.max_length": "max_length"}  # fmt: skip
