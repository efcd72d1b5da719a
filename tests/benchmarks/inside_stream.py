"""What the benchmark of live pages does inside the processes of its portal."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from importlib import import_module

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from jobs.metrics import Recorder
from jobs.models import Job, State
from jobs.run_folder import RunFolder
from jobs.services import record
from tests.make import make_job, make_user

PER_SECOND = 10
"""Steps of the trainer that is followed: many, for a training."""


def running_job(steps: int) -> list[object]:
    """A job in the midst of a training, with so many steps behind it, and the session of its owner."""
    user = make_user()
    job = make_job(user, state=State.RUNNING, attempt=1, total_steps=10**6)
    job.run_dir.mkdir(parents=True)
    with RunFolder(job.run_dir).events_file.open("w") as events:
        events.writelines(_event(step) for step in range(1, steps + 1))
    RunFolder(job.run_dir).log_file.write_text("a line of the log\n" * 2000)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), settings.AUTHENTICATION_BACKENDS[-1]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return [job.pk, session.session_key]


def train(pk: int, seconds: float) -> int:
    """Be its trainer and its shim for a while; answers the step that was reached."""
    job = Job.objects.get(pk=pk)
    folder, recorder = RunFolder(job.run_dir), Recorder(job)
    cursor, step, until = 0, 0, time.monotonic() + seconds
    while time.monotonic() < until:
        events, cursor = folder.events(cursor)
        for event in events:
            recorder.add(event)
            step = event["step"]
        if len(events) < 2 * PER_SECOND:  # it has caught up
            record(job, step=step, metrics={"loss": 2.0})
            with folder.events_file.open("a") as file:
                file.write(_event(step + 1))
            time.sleep(1 / PER_SECOND)
    recorder.flush()
    return step + 1


def _event(step: int) -> str:
    at = datetime.now(UTC).isoformat()
    measured = {"loss": 2.0 + (step % 7) / 10, "learning_rate": 1e-4, "grad_norm": 1.0, "epoch": step / 10**5}
    return json.dumps({"at": at, "event": "step", "step": step, "total_steps": 10**6, **measured}) + "\n"
