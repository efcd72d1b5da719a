"""Ticks: what has died is finished, what waits is started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from jobs import supervisor
from jobs.models import State
from jobs.run_folder import RunFolder, hold
from tests.make import make_job

pytestmark = pytest.mark.django_db
RESULT = {"artifacts": [], "metrics": {"loss": 1.0}}


@pytest.fixture
def launched(monkeypatch):
    """Attempts that would have been started; their locks stay held, as a living supervisor's would."""
    started = []
    monkeypatch.setattr(supervisor, "launch", lambda job, lock: started.append((job.pk, job.attempt, os.dup(lock))))
    yield started
    for _, _, lock in started:
        os.close(lock)


def make_active(state=State.RUNNING, **changes):
    return make_job(state=state, machine=settings.MACHINE_NAME, slots=[0], attempt=1, **changes)


def after_a_tick(job):
    supervisor.tick()
    job.refresh_from_db()
    return job


def leave(job, *events, result=None):
    folder = RunFolder(job.run_dir)
    folder.path.mkdir(parents=True)
    folder.events_file.write_text("".join(json.dumps(event) + "\n" for event in events))
    if result is not None:
        folder.result_file.write_text(json.dumps(result))


def test_a_waiting_job_is_started_once(launched):
    job = make_job()
    supervisor.tick()
    supervisor.tick()
    job.refresh_from_db()
    assert [attempt[:2] for attempt in launched] == [(job.pk, 1)]
    assert (job.state, job.attempt) == (State.PREPARING, 1)


def test_nothing_is_started_when_nothing_waits(launched):
    supervisor.tick()
    assert launched == []


def test_what_an_earlier_database_left_in_the_folder_is_gone(launched):
    job = make_job()
    job.attempt = 1
    leave(job, result=RESULT)
    supervisor.tick()
    assert RunFolder(job.run_dir).result() is None


def test_a_living_job_is_left_alone(launched):
    job = make_active()
    lock = hold(RunFolder(job.run_dir))
    assert after_a_tick(job).state == State.RUNNING
    os.close(lock)


@pytest.mark.parametrize("minutes", [-1, 4])
def test_jobs_of_another_machine_are_left_alone(launched, minutes):
    lease = timezone.now() - timedelta(minutes=minutes)
    job = make_job(state=State.RUNNING, machine="elsewhere", slots=[0], lease_until=lease)
    assert after_a_tick(job).state == State.RUNNING


def test_a_job_whose_machine_was_lost_has_failed(launched):
    lease = timezone.now() - timedelta(minutes=6)
    job = make_job(state=State.RUNNING, machine="elsewhere", slots=[0], lease_until=lease)
    assert (after_a_tick(job).state, job.error["code"]) == (State.FAILED, "run.machine-stopped")


def test_a_dead_job_with_a_result_has_succeeded(launched):
    job = make_active()
    leave(job, {"event": "step", "at": "2026-01-01T00:00:00+00:00", "step": 5, "total_steps": 5}, result=RESULT)
    after_a_tick(job)
    assert (job.state, job.step, job.result["metrics"]) == (State.SUCCEEDED, 5, {"loss": 1.0})


def test_a_job_that_died_while_training_has_failed(launched):
    job = after_a_tick(make_active())
    assert (job.state, job.error["code"]) == (State.FAILED, "run.machine-stopped")


def test_a_dead_job_that_said_why_has_failed_for_that(launched):
    job = make_active()
    leave(job, {"event": "failed", "finding": {"code": "x", "message": "Out of memory."}})
    assert after_a_tick(job).error["message"] == "Out of memory."


def test_a_job_that_died_before_training_waits_again_and_is_started(launched):
    job = after_a_tick(make_active(State.PREPARING))
    assert (job.state, job.attempt) == (State.PREPARING, 2)
    assert [step.to_state for step in job.transitions.all()] == ["queued", "preparing"]


def test_a_job_that_dies_again_and_again_before_training_is_given_up(launched):
    job = make_job(state=State.PREPARING, machine=settings.MACHINE_NAME, slots=[0], attempt=3)
    assert after_a_tick(job).state == State.FAILED


def test_a_dead_job_that_was_to_be_cancelled_is_cancelled(launched):
    assert after_a_tick(make_active(cancel_requested=True)).state == State.CANCELLED


def test_a_trainer_that_lost_its_supervisor_is_ended(launched):
    job = make_active(lease_until=timezone.now() - timedelta(seconds=1))
    lock = hold(RunFolder(job.run_dir))
    orphan = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True, pass_fds=[lock]
    )
    RunFolder(job.run_dir).trainer_pid.write_text(str(orphan.pid))
    os.close(lock)
    assert after_a_tick(job).state == State.RUNNING
    assert orphan.wait(5) == -9
    assert after_a_tick(job).state == State.FAILED


def test_a_disk_that_takes_no_folder_fails_the_job(monkeypatch, launched):
    def full(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(supervisor, "hold", full)
    job = after_a_tick(make_job())
    assert (job.state, job.error["code"]) == (State.FAILED, "trainer.disk-full")


def test_a_claim_is_given_back_when_its_process_cannot_be_started(monkeypatch):
    def broken(job, lock):
        raise OSError("no more processes")

    monkeypatch.setattr(supervisor, "launch", broken)
    job = make_job()
    with pytest.raises(OSError):
        supervisor.tick()
    supervisor.reap()
    job.refresh_from_db()
    assert job.state == State.QUEUED


def test_an_attempt_that_is_not_waiting_cannot_be_supervised():
    job = make_active()
    with pytest.raises(CommandError, match="not waiting for attempt 1"):
        call_command("supervise", str(job.pk), "1")


def test_an_attempt_cannot_be_supervised_twice():
    job = make_active(State.PREPARING)
    lock = hold(RunFolder(job.run_dir))
    with pytest.raises(CommandError, match="running already"):
        call_command("supervise", str(job.pk), "1")
    os.close(lock)
