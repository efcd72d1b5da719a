"""What runs leave on the disk goes when an administrator wants that, and nothing that is needed."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs.models import Job, State
from jobs.run_folder import RunFolder, hold
from jobs.run_retention import tidy_runs
from tests.make import make_job

pytestmark = pytest.mark.django_db
WHOLE = {"1/checkpoints/20/adapter.bin", "1/train.jsonl", "1/log.txt", "2/checkpoints/40/adapter.bin", "2/train.jsonl",
         "2/log.txt", "2/output/adapter.bin", "journal.jsonl"}  # fmt: skip
WORKING = {name for name in WHOLE if "checkpoints" in name or "train" in name}


@pytest.fixture(autouse=True)
def _runs(settings: Any, tmp_path: Path) -> None:
    settings.RUNS_DIR = tmp_path


@pytest.fixture
def keep(settings: Any) -> Any:
    def keep(**days: int) -> None:
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=days)

    return keep


def make_run(days: float = 31, state: State = State.SUCCEEDED, **changes: Any) -> Job:
    """A job with two attempts that ended so many days ago."""
    ended = {} if state in (State.RUNNING, State.PAUSED) else {"finished_at": timezone.now() - timedelta(days=days)}
    job = make_job(state=state, attempt=2, result={"artifacts": [{"name": "adapter.bin"}]}, **{**ended, **changes})
    for name in WHOLE:
        path = job.run_dir.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return job


def left(job: Job) -> set[str]:
    folder = job.run_dir.parent
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"lock"}


def test_nothing_goes_unless_an_administrator_wants_that() -> None:
    job = make_run(days=10_000)
    tidy_runs()
    assert left(job) == WHOLE


def test_checkpoints_and_rows_go_and_results_and_logs_stay(keep: Any) -> None:
    keep(run_days=30)
    job, young = make_run(days=31), make_run(days=29)
    tidy_runs()
    assert left(job) == WHOLE - WORKING
    assert left(young) == WHOLE


@pytest.mark.parametrize("state", [State.PAUSED, State.RUNNING])
def test_a_job_that_goes_on_keeps_everything(keep: Any, state: State) -> None:
    keep(run_days=30, result_days=30)
    job = make_run(state=state)
    tidy_runs()
    assert left(job) == WHOLE


def test_a_run_of_which_something_lives_keeps_everything(keep: Any) -> None:
    keep(run_days=30, result_days=30)
    job = make_run()
    lock = hold(RunFolder(job.run_dir))
    assert lock is not None
    tidy_runs()
    os.close(lock)
    assert left(job) == WHOLE


def test_weights_that_another_job_goes_on_from_stay_until_it_has_ended(keep: Any) -> None:
    keep(result_days=30)
    job = make_run()
    later = make_job(state=State.QUEUED, continued_from=job)
    tidy_runs()
    assert left(job) == WHOLE
    Job.objects.filter(pk=later.pk).update(state=State.CANCELLED, finished_at=timezone.now())
    tidy_runs()
    assert left(job) == WHOLE - {"2/output/adapter.bin"}


def test_the_page_says_that_the_files_were_deleted(keep: Any, client: Client) -> None:
    keep(result_days=30)
    job = make_run()
    client.force_login(job.owner)
    tidy_runs()
    page = client.get(job.get_absolute_url()).content.decode()
    assert "The files of this job were deleted on" in page
    assert "Download all" not in page


def test_what_is_no_run_is_left_alone(keep: Any, tmp_path: Path) -> None:
    keep(run_days=1, result_days=1)
    (tmp_path / "rehearsal-7").mkdir()
    (tmp_path / "4711" / "1" / "checkpoints").mkdir(parents=True)  # of no job that we know
    tidy_runs()
    assert (tmp_path / "rehearsal-7").is_dir()
    assert (tmp_path / "4711" / "1" / "checkpoints").is_dir()
