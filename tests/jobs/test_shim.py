"""One attempt in its process: reviewed, prepared, followed, ended; with a stand-in for the trainer."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import OperationalError
from django.utils import timezone

from datasets_app.models import Dataset
from jobs import follower, run_inputs, services, shim
from jobs.engines.local import LocalEngine
from jobs.leases import seconds_past
from jobs.metrics import curve
from jobs.models import ON_A_MACHINE, Job, State
from jobs.outcomes import Ending, conclude
from jobs.rulebook import Finding, Severity
from jobs.run_folder import RunFolder, hold
from jobs.run_inputs import write_whole
from jobs.services import claim
from jobs.shim import Shim, Wish
from models_catalog.downloads import ComesLater
from tests.jobs.attempts import again, hurry, make_claimed, make_queued, run, states
from tests.make import make_dataset, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    hurry(monkeypatch)


def test_a_job_succeeds_with_a_result_and_a_clean_end(monkeypatch):
    job = run(make_claimed(), "succeeds", monkeypatch)
    assert states(job) == ["queued", "preparing", "running", "succeeded"]
    assert (job.step, job.total_steps, job.metrics["loss"]) == (2, 4, 2.0)
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


def test_the_trainers_words_are_in_the_log(monkeypatch):
    job = run(make_claimed(), "succeeds", monkeypatch)
    assert "a line of the log" in RunFolder(job.run_dir).log_tail(1000)


def test_a_failure_keeps_the_trainers_finding_and_is_never_tried_again(monkeypatch):
    job = run(make_claimed(), "fails", monkeypatch)
    assert (job.state, job.error["message"], job.step) == (State.FAILED, "No.", 1)
    attempt = job.attempts.get()
    assert (attempt.outcome, attempt.exit_code, attempt.last_step, attempt.error["code"]) == ("failed", 1, 1, "x")


def test_a_result_that_is_there_counts_however_the_process_died(monkeypatch):
    job = run(make_claimed(), "is killed after its result", monkeypatch)
    assert job.state == State.SUCCEEDED and job.result["artifacts"]


def test_the_attempt_says_when_it_began_trained_and_ended(monkeypatch):
    attempt = run(make_claimed(), "succeeds", monkeypatch).attempts.get()
    assert attempt.started_at <= attempt.trained_at <= attempt.ended_at
    assert (attempt.outcome, attempt.exit_code, attempt.last_step) == ("succeeded", 0, 2)


def once_it_trains(monkeypatch, then):
    """Do something to the row when the first checkpoint has been written."""
    read, done = Shim._read_wishes, []

    def meddle(attempt):
        if not done and list(attempt.folder.checkpoints.glob("checkpoint-*")):
            done.append(then(Job.objects.get(pk=attempt.job.pk), attempt))
        read(attempt)

    monkeypatch.setattr(Shim, "_read_wishes", meddle)


@pytest.mark.parametrize("how", ["stops when asked", "does not stop"])
def test_a_running_job_is_cancelled_and_keeps_what_it_has_learnt(how, monkeypatch):
    once_it_trains(monkeypatch, lambda job, attempt: services.cancel(job=job, by=make_user()))
    started = time.monotonic()
    job = run(make_claimed(), how, monkeypatch)
    assert states(job) == ["queued", "preparing", "running", "cancelled"]
    assert time.monotonic() - started < 10
    step = 3 if how == "stops when asked" else 1
    assert [each["name"] for each in job.result["artifacts"]] == ["adapter.bin"]
    assert job.result["partial"] == {"step": step}
    assert (RunFolder(job.run_dir).output / "adapter.bin").read_text() == f"weights of step {step}"


@pytest.mark.parametrize("how", ["stops when asked", "does not stop"])
def test_a_running_job_is_paused_and_gives_back_its_place(how, monkeypatch):
    once_it_trains(monkeypatch, lambda job, attempt: services.pause(job=job, by=make_user()))
    job = run(make_claimed(), how, monkeypatch)
    assert (job.state, job.slots, job.pause_requested, job.attempts.get().outcome) == ("paused", [], False, "paused")
    assert job.finished_at is None and job.crashes == 0


def test_a_job_that_was_resumed_before_it_had_stopped_waits_in_the_queue(monkeypatch):
    def change_ones_mind(job, attempt):
        attempt.wish = Wish.PAUSE

    once_it_trains(monkeypatch, change_ones_mind)
    job = run(make_claimed(), "stops when asked", monkeypatch)
    assert (job.state, job.attempts.get().outcome) == (State.QUEUED, "given_back")


def test_a_shim_that_is_told_to_end_gives_its_job_back_after_a_checkpoint(monkeypatch):
    once_it_trains(monkeypatch, lambda job, attempt: attempt._shut_down(15, None))
    job = run(make_claimed(), "stops when asked", monkeypatch)
    assert (job.state, job.machine, job.slots, job.crashes) == (State.QUEUED, "here", [], 0)
    assert (job.attempts.get().outcome, job.attempts.get().exit_code) == ("given_back", 143)


def test_cancelling_shortens_the_time_that_a_pause_leaves(monkeypatch):
    monkeypatch.setitem(shim.GRACE, Wish.PAUSE, 60)

    def pause_then_cancel(job, attempt):
        services.pause(job=job, by=make_user())
        services.cancel(job=job, by=make_user())

    once_it_trains(monkeypatch, pause_then_cancel)
    started = time.monotonic()
    job = run(make_claimed(), "does not stop", monkeypatch)
    assert job.state == State.CANCELLED and time.monotonic() - started < 10


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
    assert job.error["field"] == "model.name" and job.result["findings"]
    assert not RunFolder(job.run_dir).run_file.exists()
    assert job.attempts.get().outcome == "refused"


def test_an_attempt_that_was_taken_away_ends_its_trainer_and_writes_nothing(monkeypatch):
    once_it_trains(monkeypatch, lambda job, attempt: Job.objects.filter(pk=job.pk).update(attempt=2))
    job = run(make_claimed(), "stops when asked", monkeypatch)
    assert (job.finished_at, job.attempt) == (None, 2)
    assert job.state in ON_A_MACHINE, "which of the two depends on how soon the trainer spoke"


def test_a_trainer_that_somebody_froze_is_let_go_on(monkeypatch):
    assert run(make_claimed(), "is frozen once", monkeypatch).state == State.SUCCEEDED


def test_nothing_of_a_trainer_is_left_when_it_has_ended(monkeypatch):
    job = run(make_claimed(), "leaves a child", monkeypatch)
    assert job.state == State.SUCCEEDED
    lock = hold(RunFolder(job.run_dir))
    assert lock is not None
    os.close(lock)


def test_a_job_whose_disk_has_filled_up_since_waits_for_room(monkeypatch):
    job = make_claimed(size_bytes=10**6)
    job.base_model.parameters = 10**6
    job.base_model.save()
    monkeypatch.setattr("jobs.machine.shutil.disk_usage", lambda folder: SimpleNamespace(free=10**6))
    run(job, "succeeds", monkeypatch)
    assert job.state == State.QUEUED and job.not_before
    assert job.attempts.get().error["code"] == "disk.run-too-large"


def test_a_disk_that_fills_up_while_rows_are_copied_is_waited_for(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_inputs, "write_whole", full)
    job = run(make_claimed(), "succeeds", monkeypatch)
    assert (job.state, job.attempts.get().error["code"]) == (State.QUEUED, "trainer.disk-full")


def test_a_trainer_that_had_no_room_for_its_last_words_is_understood(monkeypatch):
    job = run(make_claimed(), "ends without a result", monkeypatch)
    assert job.attempts.get().error["code"] == "run.ended-silently", "there was room"

    def died_on_a_full_disk(attempt, trainer):
        trainer.wait(10)
        monkeypatch.setattr(shim.shutil, "disk_usage", lambda path: SimpleNamespace(free=4096))
        return 1

    monkeypatch.setattr(Shim, "_follow", died_on_a_full_disk)
    job = again(job, "ends without a result", monkeypatch)
    assert (job.state, job.attempts.last().error["code"]) == (State.QUEUED, "trainer.disk-full")
    assert job.not_before


def test_a_download_that_has_to_wait_says_until_when(monkeypatch):
    later = timezone.now() + timedelta(minutes=7)
    finding = Finding("catalogue.network", Severity.ERROR, "model.name", "The hub was not reached.")

    def waits(*_):
        raise ComesLater(finding, later)

    monkeypatch.setattr(shim, "bring_model", waits)
    job = run(make_claimed(), "succeeds", monkeypatch)
    assert (job.state, job.not_before) == (State.QUEUED, later)
    assert job.attempts.get().error["message"] == "The hub was not reached."


def test_what_nobody_foresaw_gets_a_reference(monkeypatch, caplog):
    def broken(*_):
        raise KeyError("surprise")

    monkeypatch.setattr(Dataset, "good_rows", broken)
    job = run(make_claimed(), "succeeds", monkeypatch)
    reference = next(record.args[0] for record in caplog.records if "Unexpected error" in record.msg)
    assert (job.state, job.error["code"]) == (State.FAILED, "run.unexpected")
    assert reference in job.error["message"] and "surprise" not in job.error["message"]


@pytest.mark.parametrize("verb", ["record", "move"])
def test_the_database_may_be_away_while_training(verb, monkeypatch):
    real, calls = getattr(follower, verb), []

    def away(*args, **row):
        calls.append(row)
        if len(calls) < 3:
            raise OperationalError
        return real(*args, **row)

    monkeypatch.setattr("jobs.database_away.connection.close", lambda: None)
    monkeypatch.setattr(follower, verb, away)
    job = run(make_claimed(), "is frozen once", monkeypatch)
    assert job.state == State.SUCCEEDED and len(calls) > 2


def test_a_commit_of_which_nobody_knows_whether_it_happened_is_looked_up(monkeypatch):
    real, broken = follower.move, []

    def breaks_after(*args, **changes):
        moved = real(*args, **changes)
        if not broken:
            broken.append(True)
            args[0].state = State.PREPARING  # as before, for all this process knows
            raise OperationalError
        return moved

    monkeypatch.setattr("jobs.database_away.connection.close", lambda: None)
    monkeypatch.setattr(follower, "move", breaks_after)
    job = run(make_claimed(), "is frozen once", monkeypatch)
    assert states(job) == ["queued", "preparing", "running", "succeeded"]


def test_an_ending_of_another_version_is_read_as_far_as_it_is_known():
    job = make_claimed()
    job.run_dir.mkdir(parents=True)
    RunFolder(job.run_dir).ending_file.write_text('{"exit_code": 3, "mood": "bad"}')
    assert Ending.of(RunFolder(job.run_dir)) == Ending(exit_code=3)


def test_how_it_ended_lies_in_the_folder_before_the_database_is_told(monkeypatch):
    seen = []
    monkeypatch.setattr(shim, "conclude", lambda job, ending: seen.append(Ending.of(RunFolder(job.run_dir)) == ending))
    job = run(make_claimed(), "is killed", monkeypatch)
    assert seen == [True] and job.state == State.RUNNING
    conclude(job)
    assert (job.attempts.get().exit_code, job.attempts.get().error["code"]) == (-9, "run.killed")


def test_the_lease_is_kept_while_a_shim_lives_and_passes_when_it_is_gone(monkeypatch):
    monkeypatch.setattr("jobs.leases.ATTEMPT", 2.0)
    job = run(make_claimed(), "succeeds", monkeypatch)
    lease = RunFolder(job.run_dir).lease
    assert -2.6 < seconds_past(lease) < 0.1, "granted for two seconds while it lived, and no more since"


def test_each_job_sees_its_own_gpus_as_the_driver_counts_them(monkeypatch):
    monkeypatch.setattr(shim, "gpu_count", lambda: 4)
    job = make_queued()
    claim(job, "here", [1, 3])
    environment = Shim(job, [], LocalEngine())._environment()
    assert environment["CUDA_VISIBLE_DEVICES"] == environment["FORETUNE_SLOTS"] == "1,3"
    assert environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    def breaks():
        yield "one\n"
        raise OSError

    with pytest.raises(OSError):
        write_whole(tmp_path / "rows", breaks())
    assert not (tmp_path / "rows").exists()
    assert write_whole(tmp_path / "rows", ["one\n", "two\n"]) == 2
