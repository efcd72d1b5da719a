"""Ticks: what has died is finished, what waits is started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from jobs import outcomes, queueing, supervisor
from jobs.engines import local
from jobs.engines.base import Status
from jobs.engines.local import LocalEngine
from jobs.leases import grant
from jobs.locks import hold_place, holders
from jobs.models import Attempt, Job, State
from jobs.outcomes import Ending
from jobs.run_folder import RunFolder, hold
from tests.make import make_job

pytestmark = pytest.mark.django_db
RESULT = {"artifacts": [], "metrics": {"loss": 1.0}}
LINGER = "import time; print(flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"


class Launched(list):
    def __init__(self):
        super().__init__()
        self.held = []


def release(launched):
    """All shims die."""
    while launched.held:
        os.close(launched.held.pop())


@pytest.fixture
def launched(monkeypatch):
    """Attempts that would have been started; their locks stay held, as a living shim's would."""
    started = Launched()

    def launch(job, locks):
        started.held.extend(os.dup(lock) for lock in locks)
        started.append((job.pk, job.attempt, job.slots))

    monkeypatch.setattr(local, "_launch", launch)
    yield started
    release(started)


@pytest.fixture
def places(monkeypatch):
    """So many trainings at once, on a machine without a GPU."""

    def have(number):
        for module in (local, queueing):
            monkeypatch.setattr(module, "place_count", lambda: number)

    return have


def make_active(state=State.RUNNING, **changes):
    return make_job(state=state, machine=settings.MACHINE_NAME, slots=[0], attempt=1, **changes)


def after_a_tick(job):
    supervisor.tick()
    job.refresh_from_db()
    return job


def leave(job, *events, result=None):
    folder = RunFolder(job.run_dir)
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.events_file.write_text("".join(json.dumps(event) + "\n" for event in events))
    if result is not None:
        folder.result_file.write_text(json.dumps(result))


def test_a_waiting_job_is_started_once(launched):
    job = make_job()
    supervisor.tick()
    supervisor.tick()
    job.refresh_from_db()
    assert launched == [(job.pk, 1, [0])]
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
    job.run_dir.mkdir(parents=True)
    grant(RunFolder(job.run_dir).lease, 10)
    lock = hold(RunFolder(job.run_dir))
    assert LocalEngine().poll(job) is Status.WATCHED
    assert after_a_tick(job).state == State.RUNNING
    os.close(lock)


def test_as_many_jobs_are_started_as_there_are_places(launched, places):
    places(2)
    jobs = [make_job() for _ in range(3)]
    supervisor.tick()
    assert launched == [(jobs[0].pk, 1, [0]), (jobs[1].pk, 1, [1])]


def test_a_place_that_something_still_uses_is_left_alone_whatever_the_database_says(launched, places):
    places(2)
    first, second = make_job(), make_job()
    lock = hold_place(0)
    supervisor.tick()
    assert launched == [(first.pk, 1, [1])]
    os.close(lock)
    supervisor.tick()
    assert launched[1:] == [(second.pk, 1, [0])]


def test_a_job_of_which_something_still_lives_is_passed_over(launched):
    lingering, next_one = make_job(attempt=1), make_job()
    lock = hold(RunFolder(lingering.run_dir))
    supervisor.tick()
    assert launched == [(next_one.pk, 1, [0])]
    lingering.refresh_from_db()
    assert (lingering.state, lingering.attempt) == (State.QUEUED, 1)
    os.close(lock)


def test_an_attempt_has_a_lease_before_its_shim_has_started(launched):
    job = make_job()
    supervisor.tick()
    job.refresh_from_db()
    assert LocalEngine().poll(job) is Status.WATCHED


@pytest.mark.parametrize("minutes", [-1, 4])
def test_jobs_of_another_machine_are_left_alone(launched, minutes):
    lease = timezone.now() - timedelta(minutes=minutes)
    job = make_job(state=State.RUNNING, machine="elsewhere", slots=[0], lease_until=lease)
    assert after_a_tick(job).state == State.RUNNING


def test_a_job_whose_machine_was_lost_is_tried_again(launched):
    lease = timezone.now() - timedelta(minutes=6)
    job = make_job(state=State.RUNNING, machine="elsewhere", slots=[0], lease_until=lease, attempt=1)
    assert (after_a_tick(job).machine, job.attempt) == (settings.MACHINE_NAME, 2)


def test_a_dead_job_with_a_result_has_succeeded(launched):
    job = make_active()
    leave(job, {"event": "step", "at": "2026-01-01T00:00:00+00:00", "step": 5, "total_steps": 5}, result=RESULT)
    after_a_tick(job)
    assert (job.state, job.step, job.result["metrics"]) == (State.SUCCEEDED, 5, {"loss": 1.0})


def test_a_job_that_died_while_training_is_started_again(launched):
    job = after_a_tick(make_active())
    assert (job.state, job.attempt, job.crashes) == (State.PREPARING, 2, 0)
    assert [step.to_state for step in job.transitions.all()] == ["queued", "preparing"]
    assert "started again" in job.transitions.first().reason


def test_a_dead_job_that_said_why_has_failed_for_that(launched):
    job = make_active()
    leave(job, {"event": "failed", "finding": {"code": "x", "message": "Out of memory."}})
    assert after_a_tick(job).error["message"] == "Out of memory."


def test_a_job_that_died_before_training_waits_again_and_is_started(launched):
    job = after_a_tick(make_active(State.PREPARING))
    assert (job.state, job.attempt) == (State.PREPARING, 2)
    assert [step.to_state for step in job.transitions.all()] == ["queued", "preparing"]


def test_a_job_that_dies_again_and_again_before_training_is_given_up(launched):
    job = make_active(State.PREPARING, crashes=2)
    leave(job)
    RunFolder(job.run_dir).shim_pid.write_text("1")
    Ending(exit_code=-9).write(RunFolder(job.run_dir))
    after_a_tick(job)
    assert job.state == State.FAILED and "3 times in a row" in job.error["message"]


def test_an_attempt_that_never_began_is_no_crash_of_the_job_and_waits_when_it_comes_again(launched):
    job = make_active(State.PREPARING, crashes=2)
    Attempt.objects.create(job=job, number=1, machine=job.machine)
    assert (after_a_tick(job).state, job.attempt, job.crashes) == (State.PREPARING, 2, 2)
    release(launched)
    assert (after_a_tick(job).state, job.crashes) == (State.QUEUED, 2)
    assert job.not_before and job.attempts.last().error["code"] == "run.not-begun"


def test_a_dead_job_that_was_to_be_cancelled_is_cancelled(launched):
    assert after_a_tick(make_active(cancel_requested=True)).state == State.CANCELLED


def test_a_dead_job_that_was_to_be_paused_is_paused(launched):
    assert after_a_tick(make_active(pause_requested=True)).state == State.PAUSED


def orphan(job, program=LINGER, *words):
    """A trainer, or with words a shim, that holds the lock of its job and whose lease has passed."""
    job.run_dir.mkdir(parents=True, exist_ok=True)
    folder = RunFolder(job.run_dir)
    grant(folder.lease, -1)
    lock = hold(folder)
    command = [sys.executable, "-c", program, *words]
    process = subprocess.Popen(command, start_new_session=True, pass_fds=[lock], stdout=subprocess.PIPE)
    os.close(lock)
    process.stdout.readline()
    process.stdout.close()
    return process


def test_a_trainer_without_a_shim_is_asked_to_stop_and_its_job_goes_on(launched):
    job = make_active()
    trainer = orphan(job)
    RunFolder(job.run_dir).trainer_pid.write_text(str(trainer.pid))
    assert (after_a_tick(job).state, job.attempt) == (State.PREPARING, 2)
    assert trainer.wait(5) == -15


def test_a_trainer_that_does_not_stop_is_killed_when_its_time_is_over(launched):
    job = make_active()
    trainer = orphan(job, STUBBORN)
    RunFolder(job.run_dir).trainer_pid.write_text(str(trainer.pid))
    assert after_a_tick(job).state == State.RUNNING, "it may still be writing its checkpoint"
    grant(RunFolder(job.run_dir).lease, -local.LAST_GRACE - 1)
    assert after_a_tick(job).attempt == 2
    assert trainer.wait(5) == -9


def test_a_cancelled_trainer_without_a_shim_gets_less_time(launched):
    job = make_active(cancel_requested=True)
    trainer = orphan(job, STUBBORN)
    RunFolder(job.run_dir).trainer_pid.write_text(str(trainer.pid))
    grant(RunFolder(job.run_dir).lease, -local.CANCEL_GRACE - 1)
    assert after_a_tick(job).state == State.CANCELLED
    assert trainer.wait(5) == -9


def test_a_frozen_shim_is_ended_at_once(launched):
    job = make_active()
    shim = orphan(job, LINGER, "supervise", str(job.pk), "1")
    os.kill(shim.pid, signal.SIGSTOP)
    assert after_a_tick(job).attempt == 2
    assert shim.wait(5) == -9


def test_nobody_else_is_ended_for_a_number_that_came_again(launched):
    job = make_active()
    trainer = orphan(job)
    stranger = subprocess.Popen([sys.executable, "-c", LINGER], start_new_session=True)
    RunFolder(job.run_dir).trainer_pid.write_text(str(stranger.pid))
    after_a_tick(job)
    assert (stranger.poll(), trainer.poll()) == (None, None)
    for process in (stranger, trainer):
        process.kill()
        process.wait()


def test_the_holders_of_a_lock_are_known():
    job = make_active()
    process = orphan(job)
    assert holders(RunFolder(job.run_dir).lock) == {process.pid}
    process.kill()
    process.wait()
    assert holders(RunFolder(job.run_dir).lock) == set()


def failing_for(job, error, monkeypatch):
    real = outcomes.conclude

    def conclude(each):
        if each == job:
            raise error
        real(each)

    monkeypatch.setattr(outcomes, "conclude", conclude)


def test_a_job_that_cannot_be_seen_to_keeps_no_other_waiting(monkeypatch, launched, caplog):
    broken, dead = make_active(), make_job(state=State.RUNNING, machine=settings.MACHINE_NAME, attempt=1)
    failing_for(broken, OSError(5, "Input/output error"), monkeypatch)
    assert after_a_tick(dead).state != State.RUNNING
    assert "could not be seen to" in caplog.text
    assert Job.objects.get(pk=broken.pk).state == State.RUNNING, "the next tick sees to it again"


def test_a_mistake_of_ours_leaves_no_job_running_for_ever(monkeypatch, launched):
    job = make_active()
    failing_for(job, KeyError("surprise"), monkeypatch)
    assert (after_a_tick(job).state, job.slots, job.error["code"]) == (State.FAILED, [], "run.unexpected")


def test_a_database_that_goes_away_ends_the_tick(monkeypatch, launched):
    failing_for(make_active(), OperationalError(), monkeypatch)
    with pytest.raises(OperationalError):
        supervisor.tick()


def test_a_disk_that_takes_no_folder_puts_the_job_off(monkeypatch, launched):
    def full(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(local, "_make_folder", full)
    job = after_a_tick(make_job())
    assert (job.state, job.attempt, job.attempts.count()) == (State.QUEUED, 0, 0)
    assert job.not_before and "disk" in job.transitions.get().reason


def test_a_claim_is_given_back_when_its_process_cannot_be_started(monkeypatch):
    def broken(job, locks):
        raise OSError("no more processes")

    monkeypatch.setattr(local, "_launch", broken)
    job = after_a_tick(make_job())
    assert (job.state, job.slots, job.attempts.get().outcome) == (State.QUEUED, [], "failed")
    assert job.not_before


def test_a_tick_that_dies_after_its_claim_leaves_a_job_that_the_next_one_starts(monkeypatch, launched):
    def killed(job, locks):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(local, "_launch", killed)
        make_job()
        with pytest.raises(KeyboardInterrupt):
            supervisor.tick()
    job = Job.objects.get()
    assert job.state == State.PREPARING
    assert after_a_tick(job).attempt == 2 and launched == [(job.pk, 2, [0])]


def test_an_attempt_that_is_not_waiting_has_no_shim():
    job = make_active()
    with pytest.raises(CommandError, match="not waiting for attempt 1"):
        call_command("supervise", str(job.pk), "1", "--locks", "0")
