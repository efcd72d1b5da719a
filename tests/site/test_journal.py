"""The journal of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from finetune_site.journal import Journal
from jobs.models import State
from jobs.services import move
from tests.make import make_job


def test_each_note_is_one_line_with_time_and_process(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "7" / "journal.jsonl")
    journal.note("claimed", attempt=1, slots=[0, 1])
    Journal(journal.path).note("ended", outcome="crashed")
    first, second = journal.lines()
    assert (first["event"], first["attempt"], first["slots"]) == ("claimed", 1, [0, 1])
    assert first["pid"] > 0 and first["at"].endswith("+00:00")
    assert second["outcome"] == "crashed"


def test_a_torn_line_is_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.path.write_text('{"event": "cla\n')
    journal.note("ended")
    assert [line["event"] for line in journal.lines()] == ["ended"]


def test_a_journal_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    journal = Journal(tmp_path / "file" / "journal.jsonl")
    journal.note("claimed")
    assert journal.lines() == []


@pytest.mark.django_db
def test_what_becomes_of_a_job_is_noted_beside_its_runs(
    settings: Any, tmp_path: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    settings.RUNS_DIR = tmp_path
    job = make_job(state=State.RUNNING, attempt=2)
    with django_capture_on_commit_callbacks(execute=True):
        move(job, State.QUEUED, reason="Given back.")
    [line] = Journal(tmp_path / str(job.pk) / "journal.jsonl").lines()
    assert (line["event"], line["from"], line["to"], line["attempt"]) == ("moved", "running", "queued", 2)
