"""What becomes of a job when an attempt has ended: tried again, put off, given up, kept."""

from __future__ import annotations

import pytest
from django.utils import timezone

from jobs.metrics import curve
from jobs.models import Job, State
from jobs.outcomes import Ending, conclude, died
from jobs.run_folder import RunFolder
from jobs.services import cancel, claim, pause, resume
from tests.jobs.attempts import again, hurry, make_claimed, run
from tests.make import make_job, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    hurry(monkeypatch)


@pytest.mark.parametrize(
    ("exit_code", "code"),
    [
        (None, "run.machine-stopped"),
        (-9, "run.killed"),
        (143, "run.killed"),
        (0, "run.ended-silently"),
        (2, "run.ended-silently"),
    ],
)
def test_the_way_it_died_names_the_finding(exit_code: int | None, code: str) -> None:
    assert died(exit_code).code == code


def test_the_signal_that_ended_it_is_named() -> None:
    assert "SIGKILL" in died(-9).message
    assert "SIGTERM" in died(143).message


def test_the_exit_code_is_named_when_there_was_no_signal() -> None:
    assert "code 2" in died(2).message


def test_a_trainer_that_was_killed_goes_on_from_its_last_checkpoint(monkeypatch):
    job = run(make_claimed(), "dies before step 3", monkeypatch)
    assert (job.state, job.step, job.crashes, job.slots) == (State.QUEUED, 2, 0, [])
    assert "SIGKILL" in job.transitions.last().reason and "goes on" in job.transitions.last().reason
    job = again(job, "trains", monkeypatch)
    assert (job.state, job.step) == (State.SUCCEEDED, 4)
    assert "Resumed at step 2." in [step.reason for step in job.transitions.all()]
    first, second = job.attempts.all()
    assert (first.outcome, first.exit_code, first.error["code"]) == ("crashed", -9, "run.killed")
    assert (first.first_step, first.last_step) == (0, 2)
    assert (second.outcome, second.first_step, second.last_step, second.error) == ("succeeded", 2, 4, None)


def test_checkpoints_of_earlier_attempts_go_once_a_later_one_has_its_own(monkeypatch):
    job = run(make_claimed(), "dies before step 3", monkeypatch)
    first = RunFolder(job.run_dir).checkpoints
    job = again(job, "dies before step 3", monkeypatch)
    assert first.exists(), "the second attempt has written none"
    job = again(job, "trains", monkeypatch)
    assert not first.exists() and RunFolder(job.run_dir).checkpoints.exists()


def test_a_curve_goes_on_where_the_next_attempt_does(monkeypatch):
    job = again(run(make_claimed(), "dies before step 3", monkeypatch), "trains", monkeypatch)
    assert [(point["step"], point["loss"]) for point in curve(job, 100)] == [(1, 2.5), (2, 2.0), (3, 1.5), (4, 1.0)]


def test_three_crashes_that_come_no_further_are_the_end_and_keep_what_was_learnt(monkeypatch):
    job = run(make_claimed(), "dies before step 3", monkeypatch)
    for crashes in (1, 2):
        job = again(job, "dies before step 3", monkeypatch)
        assert (job.state, job.crashes) == (State.QUEUED, crashes)
    job = again(job, "dies before step 3", monkeypatch)
    assert (job.state, job.attempts.count()) == (State.FAILED, 4)
    assert "3 times in a row without the job getting any further than step 2" in job.error["message"]
    assert job.result["partial"] == {"step": 2}
    assert (RunFolder(job.run_dir).output / "adapter.bin").read_text() == "weights of step 2"


def test_a_crash_that_came_further_counts_from_the_beginning(monkeypatch):
    job = run(make_claimed(), "dies before step 1", monkeypatch)
    assert job.crashes == 1
    assert again(job, "dies before step 3", monkeypatch).crashes == 0


def test_a_crash_with_a_new_checkpoint_counts_from_the_beginning_though_it_came_no_further(monkeypatch):
    job = run(make_claimed(), "steps twice and keeps one", monkeypatch)
    job = again(job, "steps twice and keeps one", monkeypatch)
    assert (job.step, job.crashes) == (2, 0), "the second attempt went over the same steps, and kept the first of them"
    assert again(job, "dies before step 2", monkeypatch).crashes == 1


def lose(job: Job) -> None:
    """Claim it, begin, and leave nobody who could tell how it ended."""
    assert claim(job, "here", [0])
    job.run_dir.mkdir(parents=True, exist_ok=True)
    RunFolder(job.run_dir).shim_pid.write_text("1")
    conclude(job, Ending())


def test_a_machine_that_stops_is_not_held_against_the_job():
    job = make_job(crashes=2)
    for _ in range(9):
        lose(job)
        assert (job.state, job.crashes, job.attempts.last().outcome) == (State.QUEUED, 2, "lost")
    lose(job)
    assert job.state == State.FAILED and "10 times in a row" in job.error["message"]


def test_a_job_that_never_takes_a_step_says_so(monkeypatch):
    job = run(make_claimed(), "dies before step 1", monkeypatch)
    for _ in range(2):
        job = again(job, "dies before step 1", monkeypatch)
    assert "as far as the first step" in job.error["message"]


def test_a_paused_job_goes_on_from_its_checkpoint(monkeypatch):
    job = run(make_claimed(), "dies before step 3", monkeypatch)
    job = resume(job=pause(job=job, by=make_user()), by=make_user())
    assert again(job, "trains", monkeypatch).attempts.last().first_step == 2


def test_a_waiting_job_that_was_on_a_machine_keeps_what_it_has_learnt_when_it_is_cancelled(monkeypatch):
    job = cancel(job=run(make_claimed(), "dies before step 3", monkeypatch), by=make_user())
    assert (job.state, job.result["partial"]) == (State.CANCELLED, {"step": 2})
    assert [each["name"] for each in job.result["artifacts"]] == ["adapter.bin"]


def test_a_fault_of_the_machine_is_tried_again_later(monkeypatch):
    job = run(make_claimed(), "fills the disk", monkeypatch)
    assert job.state == State.QUEUED and job.not_before > timezone.now()
    assert "tried again by itself" in job.transitions.last().reason
    assert (job.attempts.get().outcome, job.attempts.get().error["code"]) == ("failed", "trainer.disk-full")


def test_faults_of_the_machine_wait_longer_each_time_and_not_for_ever():
    job, waits = make_job(), []
    for _ in range(10):
        assert job.state == State.QUEUED and claim(job, "here", [0])
        conclude(job, Ending(error={"code": "trainer.disk-full", "message": "The disk is full."}))
        job.refresh_from_db()
        waits += [round((job.not_before - timezone.now()).total_seconds() / 60)] if job.not_before else []
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert (job.state, job.error["code"]) == (State.FAILED, "trainer.disk-full")


def test_concluding_twice_changes_nothing(monkeypatch):
    job = make_claimed()
    stale = Job.objects.get(pk=job.pk)
    job = run(job, "fails", monkeypatch)
    conclude(stale)
    conclude(Job.objects.get(pk=job.pk))
    job.refresh_from_db()
    assert (job.state, job.transitions.count(), job.attempts.count()) == (State.FAILED, 4, 1)


def test_an_earlier_attempt_concludes_nothing_of_a_later_one(monkeypatch):
    job = run(make_claimed(), "dies before step 3", monkeypatch)
    stale = Job.objects.get(pk=job.pk)
    assert claim(job, "here", [0])
    conclude(stale)
    job.refresh_from_db()
    assert (job.state, job.attempt) == (State.PREPARING, 2)


def test_what_is_learnt_by_a_damaged_checkpoint_is_not_kept(monkeypatch):
    job = run(make_claimed(), "dies before step 3", monkeypatch)
    (RunFolder(job.run_dir).checkpoints / "checkpoint-2" / "adapter.bin").write_text("half")
    assert cancel(job=job, by=make_user()).result["partial"] == {"step": 1}
