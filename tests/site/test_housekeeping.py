"""Chores that nobody else does."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from finetune_site.portal.housekeeping import remove_torn_uploads


def test_torn_uploads_go_after_a_day_and_nothing_else(tmp_path: Path, settings: Any) -> None:
    settings.DATASETS_DIR = tmp_path
    for name, hours in (("old.part", 25), ("young.part", 1), ("7.data", 99)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - hours * 3600,) * 2)
    remove_torn_uploads()
    assert {path.name for path in tmp_path.iterdir()} == {"young.part", "7.data"}
