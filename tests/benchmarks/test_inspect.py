"""What a whole look into the largest published models costs in the warm process, socket and fork included."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from jobs.warm.client import ask
from tests.benchmarks.large_vocabularies import make_model_of
from tests.inspection.test_real_sizes import REAL

pytestmark = pytest.mark.benchmark
GOALS = {"llama-3-70b": 1.0, "qwen3-235b-a22b": 3.0}
ROUNDS = 5
VOCABULARY, WITH_VOCABULARY = 260_000, 3.0
"""Tokens, and the seconds that looking into tokenizer and template beside the tree may take."""


@pytest.mark.parametrize("name", GOALS)
def test_a_warm_look_at_a_large_model(warm: None, tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(REAL[name][0]))
    assert holds(name, tmp_path, GOALS[name])


def test_a_warm_look_at_a_large_vocabulary(warm: None, tmp_path: Path) -> None:
    assert holds("vocabulary of 260,000", make_model_of(tmp_path, VOCABULARY), WITH_VOCABULARY)


def holds(name: str, folder: Path, goal: float) -> bool:
    took = sorted(seconds(folder) for _ in range(ROUNDS))
    typical = took[ROUNDS // 2]
    line = {"name": f"inspect {name}", "unit": "s", "p50": round(typical, 3), "p95": round(took[-1], 3),
            "goal": goal, "holds": typical <= goal}  # fmt: skip
    print(json.dumps(line))
    return typical <= goal


def seconds(folder: Path) -> float:
    began = time.perf_counter()
    found = ask("inspect", seconds=60, folder=str(folder))
    assert found["facts"]["parameters"] > 10**8
    return time.perf_counter() - began
