"""Chores that nobody else does."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from finetune_site.portal import housekeeping
from finetune_site.portal.housekeeping import (
    Housekeeping,
    clean_up,
    forget_unheard_rings,
    remove_torn_uploads,
    shorten_logs,
)


def test_torn_uploads_go_after_a_day_and_nothing_else(tmp_path: Path, settings: Any) -> None:
    settings.DATASETS_DIR = tmp_path
    for name, hours in (("old.part", 25), ("young.part", 1), ("7.data", 99)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - hours * 3600,) * 2)
    remove_torn_uploads()
    assert {path.name for path in tmp_path.iterdir()} == {"young.part", "7.data"}


def test_chores_are_done_by_the_queue_once_a_day(db: None) -> None:
    due = Housekeeping()
    due.do_when_due()
    due.do_when_due()
    [task] = OrmQ.objects.all()
    assert (task.key, task.func()) == ("portal", "finetune_site.portal.housekeeping.clean_up")


def test_a_chore_that_fails_leaves_the_others_to_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def failing() -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(housekeeping, "CHORES", (failing, lambda: done.append("next")))
    clean_up()
    assert done == ["next"]


def test_long_logs_keep_their_end_in_whole_lines(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LOGS_DIR = tmp_path
    monkeypatch.setattr(housekeeping, "LONGEST_LOG", 100)
    monkeypatch.setattr(housekeeping, "KEPT_OF_LOG", 25)
    (tmp_path / "long.log").write_text("".join(f"line {number:04}\n" for number in range(100)))
    (tmp_path / "short.log").write_text("short\n")
    shorten_logs()
    assert (tmp_path / "long.log").read_text() == "line 0098\nline 0099\n"
    assert (tmp_path / "short.log").read_text() == "short\n"


def test_rings_that_no_machine_hears_go_after_a_day(db: None) -> None:
    for key, hours in (("train-gone", 25), ("train-here", 1), ("portal", 99)):
        OrmQ.objects.create(key=key, payload="", lock=timezone.now() - timedelta(hours=hours))
    forget_unheard_rings()
    assert {row.key for row in OrmQ.objects.all()} == {"train-here", "portal"}
