"""The cases and the table of `make accuracy`, without training anything."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from jobs.rulebook.settings_table import SETTINGS
from tests.architectures import DECODERS

from . import cases, judge, shapes, table
from .public_sample import SAMPLE, public_cases


def test_every_case_has_a_name_and_a_content_of_its_own() -> None:
    made = cases.own_cases()
    assert len({case.name for case in made}) > 0.95 * len(made)
    assert len(made) > 1000


def test_the_cases_show_every_architecture_shape_and_setting() -> None:
    made = cases.own_cases()
    assert {case.kind for case in made} >= set(DECODERS)
    assert {case.name.removeprefix("shape/") for case in made} >= set(shapes.SHAPES)
    turned = {path for case in made for path in case.spec}
    untried = {"model.name", "model.revision", "data.dataset", "data.eval_dataset", "training.auto_find_batch_size"}
    assert set(SETTINGS) - turned <= untried
    assert len(DECODERS) >= 60


def test_the_same_seed_gives_the_same_cases() -> None:
    assert [case.key for case in cases.own_cases(seed=7)] == [case.key for case in cases.own_cases(seed=7)]


def test_mixtures_show_more_pairs_than_chance_would() -> None:
    assert _pairs(25) > _pairs(1)


def _pairs(candidates: int) -> int:
    """How many different pairs of values forty mixtures show."""
    usual, cases.CANDIDATES = cases.CANDIDATES, candidates
    try:
        made = list(cases.mixed(random.Random(1), 40))  # noqa: S311 - the same mixtures every time
    finally:
        cases.CANDIDATES = usual
    specs = [sorted((path, repr(value)) for path, value in case.spec.items()) for case in made]
    return len({(one, other) for spec in specs for one in spec for other in spec if one < other})


@pytest.mark.skipif(not SAMPLE.exists(), reason="the public sample of real trainings is not at hand")
def test_the_public_sample_is_translated_or_left_out_with_a_reason() -> None:
    taken, left_out = public_cases()
    assert len(taken) + sum(map(len, left_out.values())) == len(SAMPLE.read_text().splitlines())
    assert len(taken) > 200


def result(cell: str, **changes: Any) -> dict[str, Any]:
    usual = {"name": "a/case", "cell": cell, "errors": [], "outcome": "trains", "what": "", "symptoms": [], "fixes": []}
    return {**usual, "seconds": {"check": 0.1, "rehearse": 0.5, "train": 1.0}, **changes}


def test_the_last_line_of_the_table_is_the_contract_and_wrong_cases_are_named() -> None:
    fixes = [{"code": "x.y", "label": "Mend", "cures": cures, "why": "it stays"} for cures in (True, False)]
    results = [result("accepted_ok"), result("refused_bad", fixes=fixes), result("accepted_failed", name="a/wrong")]
    printed = list(table.lines(results))
    assert json.loads(printed[-1]) == {
        "cases": 3, "accepted_ok": 1, "accepted_failed": 1, "accepted_silent": 0, "refused_ok": 0, "refused_bad": 1,
        "fixes_offered": 2, "fixes_that_cure": 1,
    }  # fmt: skip
    assert any("a/wrong" in line for line in printed)
    assert any("it stays" in line for line in printed)


def test_a_symptom_is_told_only_by_a_finding_that_names_it() -> None:
    assert judge.is_told("rows-cut", {"length.rows-cut"})
    assert not judge.is_told("rows-cut", {"numbers.num-epochs-unusual"})
    assert not judge.is_told("merge-differs", {"length.rows-cut"})
