"""What a whole look into the largest published models costs in the warm process, socket and fork included."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from jobs.warm.client import ask
from tests.inspection.test_real_sizes import REAL

pytestmark = pytest.mark.benchmark
GOALS = {"llama-3-70b": 1.0, "qwen3-235b-a22b": 3.0}
ROUNDS = 5


@pytest.mark.parametrize("name", GOALS)
def test_a_warm_look_at_a_large_model(warm: None, tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(REAL[name][0]))
    took = sorted(seconds(tmp_path) for _ in range(ROUNDS))
    line = {"name": f"inspect {name}", "unit": "s", "p50": round(took[ROUNDS // 2], 3),
            "p95": round(took[-1], 3), "goal": GOALS[name], "holds": took[ROUNDS // 2] <= GOALS[name]}  # fmt: skip
    print(json.dumps(line))
    assert line["holds"]


def seconds(folder: Path) -> float:
    began = time.perf_counter()
    found = ask("inspect", seconds=30, folder=str(folder))
    assert found["facts"]["parameters"] > 10**10
    return time.perf_counter() - began
