"""Before a container ends, its trainings end at a checkpoint; only the shims of this machine's jobs are told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from jobs.draining import give_all_back
from jobs.models import Job, State
from jobs.run_folder import RunFolder, hold
from tests.make import make_job

pytestmark = pytest.mark.django_db
GOES = "import time; print('up', flush=True); time.sleep(60)"
STAYS = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {GOES}"


@pytest.fixture(autouse=True)
def _runs(settings: Any, tmp_path: Path) -> None:
    settings.RUNS_DIR = tmp_path


@contextmanager
def shim(job: Job, what: str = GOES) -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks like the shim of a job, and holds its lock."""
    job.run_dir.mkdir(parents=True)
    lock = hold(RunFolder(job.run_dir))
    assert lock is not None
    command = [sys.executable, "-c", what, "supervise", str(job.pk), str(job.attempt)]
    with subprocess.Popen(command, pass_fds=[lock], stdout=subprocess.PIPE) as process:
        os.close(lock)
        assert process.stdout and process.stdout.readline() == b"up\n"
        yield process
        process.kill()


def make_running(**changes: Any) -> Job:
    return make_job(**{"state": State.RUNNING, "machine": django_settings.MACHINE_NAME, "attempt": 1, **changes})


def test_each_training_is_told_and_waited_for() -> None:
    with shim(make_running()) as first, shim(make_running()) as second:
        assert give_all_back(30) == []
        assert first.wait(5) == second.wait(5) == -15


def test_one_that_does_not_end_in_time_is_named() -> None:
    job = make_running()
    with shim(job, STAYS) as process:
        assert give_all_back(0.3) == [job.pk]
        assert process.poll() is None


def test_jobs_of_other_machines_and_those_that_wait_are_left_alone() -> None:
    with shim(make_running(machine="other")) as other, shim(make_running(state=State.QUEUED)) as queued:
        assert give_all_back(30) == []
        assert other.poll() is queued.poll() is None
