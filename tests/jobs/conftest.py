"""Database ids start again with every test, so the folders made from them are cleared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_runs_of_the_test_before(home: Path) -> Iterator[None]:
    yield
    shutil.rmtree(home / "runs")
    (home / "runs").mkdir()
