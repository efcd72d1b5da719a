"""What the benchmark of submits does inside the processes of its portal."""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth.models import User
from knox.models import get_token_model

from jobs.metrics import Recorder
from jobs.models import Job, State
from jobs.services import record
from tests.make import make_dataset, make_job, make_model, make_spec, make_user

BEAT = 0.2
"""Seconds between two writes of one shim: five times as often as a real one."""


def people(number: int) -> list[tuple[str, dict[str, Any]]]:
    """Tokens of so many people, each with the specification of a job that passes."""
    make_model()
    return [_person(make_user(f"person-{place}")) for place in range(number)]


def _person(user: User) -> tuple[str, dict[str, Any]]:
    token = get_token_model().objects.create(user)[1]
    return token, make_spec(**{"data.dataset": str(make_dataset(user).pk)})


def train(number: int, seconds: float) -> int:
    """Write what the shims of so many running jobs write; answers how many writes there were."""
    jobs = [make_job(state=State.RUNNING, attempt=1, machine="elsewhere") for _ in range(number)]
    recorders, writes, until = [Recorder(job) for job in jobs], 0, time.monotonic() + seconds
    while time.monotonic() < until:
        writes += 1
        for job, recorder in zip(jobs, recorders, strict=True):
            recorder.add({"event": "step", "step": writes, "loss": 2.0, "learning_rate": 1e-4})
            recorder.flush()
            assert record(job, step=writes, metrics={"loss": 2.0}), "the row is no longer this attempt's"
        time.sleep(BEAT)
    assert Job.objects.get(pk=jobs[0].pk).step == writes
    return writes * number
