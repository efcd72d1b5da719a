"""A trainer whose watcher is gone stops by itself."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from jobs.trainer.fence import Fence


def lease(run_dir: Path, until: object) -> None:
    (run_dir / "lease.json").write_text(json.dumps({"until": until}))


def test_a_folder_without_a_lease_has_no_fence(tmp_path: Path) -> None:
    assert not Fence(tmp_path).passed()


def test_a_lease_holds_until_its_time(tmp_path: Path) -> None:
    fence = Fence(tmp_path)
    lease(tmp_path, time.time() + 60)
    assert not fence.passed()
    lease(tmp_path, time.time() - 1)
    assert fence.passed()


def test_a_lease_that_was_there_and_is_gone_was_taken_away(tmp_path: Path) -> None:
    fence = Fence(tmp_path)
    lease(tmp_path, time.time() + 60)
    assert not fence.passed()
    (tmp_path / "lease.json").unlink()
    assert fence.passed()


@pytest.mark.parametrize("written", ["", "[]", "{}", '{"until": null}', '{"until": "soon"}'])
def test_a_lease_that_says_nothing_holds_nothing(tmp_path: Path, written: str) -> None:
    (tmp_path / "lease.json").write_text(written)
    assert Fence(tmp_path).passed()
