"""Attempts with a stand-in for the trainer, run in the process of the test."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jobs import shim
from jobs.engines.local import LocalEngine
from jobs.launching import Fresh
from jobs.models import Job
from jobs.rulebook import read
from jobs.run_folder import RunFolder, hold
from jobs.services import claim, submit
from jobs.shim import Shim, Wish
from tests.make import make_dataset, make_model, make_spec, make_user

ROOT = Path(__file__).parents[2]
FAKE = str(Path(__file__).with_name("fake_trainer.py"))


def hurry(monkeypatch) -> None:
    """Everything that waits waits shortly, and nobody is rung."""
    monkeypatch.setattr(shim, "ring", lambda: None)
    monkeypatch.setattr(shim, "BEAT", 0.05)
    monkeypatch.setattr(shim, "POLL", 0.02)
    monkeypatch.setattr(shim, "FROZEN", 0.2)
    for wish in Wish:
        monkeypatch.setitem(shim.GRACE, wish, 0.3)


def make_queued(**changes) -> Job:
    make_model()
    dataset = make_dataset(**changes)
    choices = read(make_spec(**{"data.dataset": str(dataset.pk), "data.bad_rows": "drop"}))
    return submit(choices=choices, user=make_user(), confirmed=True)


def make_claimed(**changes) -> Job:
    job = make_queued(**changes)
    assert claim(job, "here", [0])
    return job


def fakes(monkeypatch, how: str) -> None:
    """Trainers that are started from now on behave like this."""

    def start(folder, *, environment, locks, log, processes):
        command = [sys.executable, FAKE, str(folder.path), how]
        return Fresh(command, {**environment, "PYTHONPATH": str(ROOT)}, locks, log)

    monkeypatch.setattr(shim, "start_trainer", start)


def run(job: Job, how: str, monkeypatch) -> Job:
    """One attempt at a claimed job, from its start to its end."""
    fakes(monkeypatch, how)
    job.run_dir.mkdir(parents=True, exist_ok=True)
    lock = hold(RunFolder(job.run_dir))
    try:
        Shim(job, [lock], LocalEngine()).run()
    finally:
        os.close(lock)
    job.refresh_from_db()
    return job


def again(job: Job, how: str, monkeypatch) -> Job:
    """The next attempt at a job that is back in the queue."""
    assert claim(job, "here", [0])
    return run(job, how, monkeypatch)


def states(job: Job) -> list[str]:
    return [step.to_state for step in job.transitions.all()]
