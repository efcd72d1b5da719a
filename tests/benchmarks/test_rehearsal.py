"""From "start this job" to the answer of its rehearsal: with nothing warm, warm, and asked once more."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from datasets_app.models import Dataset
from datasets_app.telling_rows import as_rehearsed, telling_rows
from jobs.rehearsals import rehearse
from jobs.review import Review
from jobs.rulebook import read
from jobs.warm.client import ROOT, SOCKET, ask, clean_environment, is_warm
from models_catalog.models import BaseModel
from tests.benchmarks.large_vocabularies import make_model_of
from tests.make import make_dataset, make_family, make_spec, make_user

pytestmark = [
    pytest.mark.slow,
    pytest.mark.benchmark,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.usefixtures("nothing_was_rehearsed"),
]

GOALS = {50_000: 5.0, 260_000: 10.0}
"""Seconds of a check with its rehearsal on two free cores, by vocabulary."""
REMEMBERED = 0.5
"""Seconds in which a rehearsal that was held before has to be found."""
ROUNDS = 3
LENGTH = 1024
MEMORY = 16 * 1024**3
ROWS = 500
WORDS = "what can be said of this is soon told and nobody will ask for more than that"


@pytest.fixture(scope="module")
def warm_with_a_baseline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A warm process that knows the naive rehearsal too, so that both start from the same."""
    path = tmp_path_factory.mktemp("warm") / "socket"
    command = [sys.executable, "-m", "tests.benchmarks.naive_rehearsal", str(path)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SOCKET, str(path))
        process = subprocess.Popen(command, cwd=ROOT, env=clean_environment())
        while not is_warm():
            assert process.poll() is None
            time.sleep(0.1)
        yield path
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("vocabulary", GOALS)
def test_check_and_rehearsal(
    warm_with_a_baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vocabulary: int
) -> None:
    folder = make_model_of(tmp_path / "model", vocabulary)
    BaseModel.objects.create(name="house/large", source="local", path=str(folder), family=make_family("Unknown"))
    dataset = write_rows(make_dataset())

    def asked(number: int) -> float:
        """Seconds for a job that differs from all others by its learning rate."""
        return seconds(lambda: held(dataset, 1e-4 + number * 1e-6))

    monkeypatch.setenv(SOCKET, "/nowhere")
    cold = [asked(0)]  # looks into the model and chooses the rows too
    monkeypatch.setenv(SOCKET, str(warm_with_a_baseline))
    warm = [asked(number) for number in range(1, ROUNDS + 1)]
    naive = [naive_seconds(folder, dataset, tmp_path / "naive")]
    again = [asked(number) for number in range(1, ROUNDS + 1)]
    tell("cold", vocabulary, cold, naive, None)
    assert tell("warm", vocabulary, warm, naive, GOALS[vocabulary])
    assert tell("remembered", vocabulary, again, naive, REMEMBERED)


def write_rows(dataset: Dataset) -> Dataset:
    """Chats of ten to two thousand tokens."""
    lengths = [1 + number % 20 * (1 + number // 100) for number in range(ROWS)]
    rows = [[turn("user", f"{number}?"), turn("assistant", f"{WORDS} " * each)] for number, each in enumerate(lengths)]
    dataset.path.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    dataset.rows = ROWS
    dataset.save()
    return dataset


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def held(dataset: Dataset, learning_rate: float) -> Review:
    changes: dict[str, Any] = {"training.learning_rate": learning_rate, "data.max_length": LENGTH}
    spec = make_spec(**{"model.name": "house/large", "data.dataset": str(dataset.pk), **changes})
    told = rehearse(read(spec), make_user())
    assert told.rehearsal is not None, told.report.as_dict()
    assert told.rehearsal.state == "passed", told.rehearsal.document
    return told


def naive_seconds(folder: Path, dataset: Dataset, scratch: Path) -> float:
    scratch.mkdir()
    rows = as_rehearsed(telling_rows(dataset))
    told = {"model_folder": str(folder), "rows": rows, "scratch": str(scratch), "max_length": LENGTH}
    return seconds(lambda: ask("naive", seconds=600, memory=MEMORY, **told))


def seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def tell(how: str, vocabulary: int, ours: list[float], naive: list[float], goal: float | None) -> bool:
    """Print the line; answers whether the goal, in seconds by the clock, holds."""
    figures = {
        "ours": median(ours),
        "baseline": median(naive),
        "ratio": median(ours) / median(naive),
        "p50": median(ours),
        "p95": max(ours),
    }
    rounded = {name: round(value, 3) for name, value in figures.items()}
    holds = goal is None or median(ours) <= goal
    print(json.dumps({"name": f"rehearsal {vocabulary} {how}", **rounded, "unit": "s", "goal": goal, "holds": holds}))
    return holds
