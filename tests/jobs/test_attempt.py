"""One attempt in its process: reviewed, prepared, followed, ended; with a stand-in for the trainer."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import OperationalError

from datasets_app.models import Dataset
from jobs import attempt as attempt_module
from jobs import services
from jobs.attempt import Attempt, write_whole
from jobs.metrics import curve
from jobs.models import Job, Place, State
from jobs.rulebook import read
from jobs.run_folder import RunFolder, hold
from jobs.services import claim, submit
from tests.make import make_dataset, make_model, make_spec, make_user

pytestmark = pytest.mark.django_db
FAKE = str(Path(__file__).with_name("fake_trainer.py"))


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    monkeypatch.setattr(attempt_module, "ring", lambda: None)
    monkeypatch.setattr(attempt_module, "BEAT", 0.05)
    monkeypatch.setattr(attempt_module, "POLL", 0.02)
    monkeypatch.setattr(attempt_module, "GRACE", 0.5)


def make_claimed(**changes):
    make_model()
    dataset = make_dataset(**changes)
    choices = read(make_spec(**{"data.dataset": str(dataset.pk), "data.bad_rows": "drop"}))
    job = submit(choices=choices, user=make_user(), confirmed=True)
    assert claim(job, "here", [0])
    return job


def run(job, how, monkeypatch):
    monkeypatch.setattr(attempt_module, "trainer_command", lambda folder: [sys.executable, FAKE, str(folder), how])
    lock = hold(RunFolder(job.run_dir))
    try:
        Attempt(job, lock).run()
    finally:
        os.close(lock)
    job.refresh_from_db()
    return job


def states(job):
    return [step.to_state for step in job.transitions.all()]


def test_a_job_succeeds_with_a_result_and_a_clean_end(monkeypatch):
    job = run(make_claimed(), "succeeds", monkeypatch)
    assert states(job) == ["queued", "preparing", "running", "succeeded"]
    assert (job.step, job.total_steps, job.metrics["loss"]) == (2, 2, 1.5)
    assert job.result["artifacts"][0]["name"] == "adapter.bin"
    assert job.finished_at and job.progress == {} and job.error is None


def test_the_trainer_gets_its_inputs(monkeypatch):
    job = run(make_claimed(rows=22, bad_rows=2), "succeeds", monkeypatch)
    run_file = json.loads(RunFolder(job.run_dir).run_file.read_text())
    assert (run_file["rows"], run_file["dataset_format"], run_file["spec"]) == (20, "messages", job.spec)
    assert len(RunFolder(job.run_dir).train_file.read_text().splitlines()) == 20


def test_the_rows_left_out_are_said_in_the_result(monkeypatch):
    job = run(make_claimed(rows=22, bad_rows=2), "succeeds", monkeypatch)
    assert (job.result["rows_of_dataset"], job.result["rows_left_out"]) == (22, 2)


def test_the_rows_to_evaluate_with_follow_those_to_train_on(monkeypatch):
    job = make_claimed(rows=22, bad_rows=2)
    evaluation = make_dataset(job.owner, name="held out", rows=5)
    job.spec["data"]["eval_dataset"] = str(evaluation.pk)
    job.save()
    run(job, "succeeds", monkeypatch)
    run_file = json.loads(RunFolder(job.run_dir).run_file.read_text())
    assert (run_file["rows"], run_file["eval_rows"]) == (25, 5)
    assert (job.result["rows_of_dataset"], job.result["rows_left_out"]) == (22, 2)


def test_the_trainer_holds_the_lock_too(monkeypatch):
    """So that nothing takes the job for dead while only its supervisor is."""
    assert run(make_claimed(), "succeeds", monkeypatch).result["held"] is True


def test_a_run_that_starts_again_with_smaller_batches_says_so_among_its_changes(monkeypatch):
    job = run(make_claimed(), "finds no memory at first", monkeypatch)
    assert states(job) == ["queued", "preparing", "running", "running", "succeeded"]
    assert job.transitions.all()[3].reason == "Batches of 4 rows did not fit into memory."
    assert job.result["findings"][0]["code"] == "trainer.smaller-batch"
    assert [point["loss"] for point in curve(job, 100)] == [1.9, 1.5], "the first try is no part of the curve"


def test_what_was_predicted_is_kept_beside_what_came_out(monkeypatch):
    job = run(make_claimed(), "succeeds", monkeypatch)
    assert set(job.result["predicted"]) == {"memory_bytes", "tokens_per_step", "seconds_per_step", "seconds"}


def test_a_job_whose_disk_has_filled_up_since_is_refused(monkeypatch):
    job = make_claimed(size_bytes=10**6)
    job.base_model.parameters = 10**6
    job.base_model.save()
    monkeypatch.setattr("jobs.machine.shutil.disk_usage", lambda folder: SimpleNamespace(free=10**6))
    run(job, "succeeds", monkeypatch)
    assert (job.state, job.error["code"]) == (State.REFUSED, "disk.run-too-large")


def test_the_trainers_words_are_in_the_log(monkeypatch):
    job = run(make_claimed(), "succeeds", monkeypatch)
    assert "a line of the log" in RunFolder(job.run_dir).log_tail(1000)


def test_a_failure_keeps_the_trainers_finding(monkeypatch):
    job = run(make_claimed(), "fails", monkeypatch)
    assert (job.state, job.error["message"], job.step) == (State.FAILED, "No.", 1)


def test_a_clean_end_without_a_result_is_no_success(monkeypatch):
    job = run(make_claimed(), "ends without a result", monkeypatch)
    assert (job.state, job.error["code"]) == (State.FAILED, "run.ended-silently")


@pytest.mark.parametrize("how", ["is killed", "is killed after its result"])
def test_a_killed_trainer_is_a_plain_finding(how, monkeypatch):
    job = run(make_claimed(), how, monkeypatch)
    assert (job.state, job.error["code"]) == (State.FAILED, "run.killed")
    assert "SIGKILL" in job.error["message"]


@pytest.mark.parametrize("how", ["stops when asked", "does not stop"])
def test_a_running_job_is_cancelled(how, monkeypatch):
    job = make_claimed()
    asked = Attempt._stop_if_asked

    def cancel_once_it_runs(attempt):
        if attempt.progress.step:
            services.cancel(job=Job.objects.get(pk=job.pk), by=make_user())
        asked(attempt)

    monkeypatch.setattr(Attempt, "_stop_if_asked", cancel_once_it_runs)
    started = time.monotonic()
    run(job, how, monkeypatch)
    assert states(job) == ["queued", "preparing", "running", "cancelled"]
    assert time.monotonic() - started < 10


def test_a_job_cancelled_while_it_is_prepared_never_trains(monkeypatch):
    job = make_claimed()
    services.cancel(job=job, by=make_user())
    run(job, "succeeds", monkeypatch)
    assert states(job) == ["queued", "preparing", "cancelled"]
    assert not RunFolder(job.run_dir).result_file.exists()


def test_a_job_that_no_longer_passes_is_refused(monkeypatch):
    job = make_claimed()
    job.base_model.delete()
    run(Job.objects.get(pk=job.pk), "succeeds", monkeypatch)
    job.refresh_from_db()
    assert states(job) == ["queued", "preparing", "refused"]
    assert job.error["field"] == "model.name"
    assert not RunFolder(job.run_dir).run_file.exists()


def test_an_attempt_that_was_taken_away_ends_its_trainer_and_writes_nothing(monkeypatch):
    job = make_claimed()
    asked = Attempt._stop_if_asked

    def taken_away(attempt):
        if attempt.progress.step:
            Job.objects.filter(pk=job.pk).update(attempt=2)
        asked(attempt)

    monkeypatch.setattr(Attempt, "_stop_if_asked", taken_away)
    run(job, "stops when asked", monkeypatch)
    assert (job.state, job.attempt) == (State.RUNNING, 2)


def test_a_shutdown_while_preparing_gives_the_job_back(monkeypatch):
    job = make_claimed()
    monkeypatch.setattr(Attempt, "_fetch_model", lambda attempt: attempt._shut_down(15, None) or attempt.beat(text="x"))
    run(job, "succeeds", monkeypatch)
    assert (job.state, job.machine, job.slots) == (State.QUEUED, "", [])


def test_a_full_disk_is_a_finding(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(attempt_module, "write_whole", full)
    job = run(make_claimed(), "succeeds", monkeypatch)
    assert (job.state, job.error["code"]) == (State.FAILED, "trainer.disk-full")


def test_what_nobody_foresaw_gets_a_reference(monkeypatch, caplog):
    def broken(*_):
        raise KeyError("surprise")

    monkeypatch.setattr(Dataset, "good_rows", broken)
    job = run(make_claimed(), "succeeds", monkeypatch)
    reference = caplog.records[-1].args[0]
    assert (job.state, job.error["code"]) == (State.FAILED, "run.unexpected")
    assert reference in job.error["message"] and "surprise" not in job.error["message"]


def test_the_database_may_be_away_while_training(monkeypatch):
    real, calls = attempt_module.record, []

    def away(job, **row):
        calls.append(row)
        if len(calls) < 3:
            raise OperationalError
        return real(job, **row)

    monkeypatch.setattr("jobs.database_away.connection.close", lambda: None)
    monkeypatch.setattr(attempt_module, "record", away)
    assert run(make_claimed(), "succeeds", monkeypatch).state == State.SUCCEEDED


def test_the_trainer_sees_none_of_the_portals_secrets(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    environment = Attempt(make_claimed(), 0)._environment()
    assert "HF_TOKEN" not in environment and environment["HF_HUB_OFFLINE"] == "1"


def test_each_job_sees_its_own_gpu(monkeypatch):
    monkeypatch.setattr(attempt_module, "gpu_count", lambda: 2)
    job = make_claimed()
    Place.objects.update(slot=1)
    assert Attempt(job, 0)._environment()["CUDA_VISIBLE_DEVICES"] == "1"


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    def breaks():
        yield "one\n"
        raise OSError

    with pytest.raises(OSError):
        write_whole(tmp_path / "rows", breaks())
    assert not (tmp_path / "rows").exists()
    assert write_whole(tmp_path / "rows", ["one\n", "two\n"]) == 2
