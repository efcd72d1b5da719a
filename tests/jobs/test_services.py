"""Submitting, retrying, cancelling, claiming: what each writes, and what it refuses."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.db import IntegrityError, connection

from jobs import services
from jobs.models import ENDED, ON_A_MACHINE, Job, Outcome, State
from jobs.rulebook import read
from tests.make import make_dataset, make_job, make_model, make_spec, make_user

pytestmark = pytest.mark.django_db
FEW = {"rows": 5, "name": "few"}
"""Fewer than ten rows are a warning."""


def make_choices(dataset=None, **changes):
    make_model()
    dataset = dataset or make_dataset()
    return read(make_spec(**{"data.dataset": str(dataset.pk), **changes}))


def make_submitted(dataset=None, **changes):
    return services.submit(choices=make_choices(dataset, **changes), user=make_user(), confirmed=True)


def states(job):
    return [(step.from_state, step.to_state) for step in job.transitions.all()]


def test_a_submitted_job_is_queued_with_its_effective_specification():
    job = make_submitted(**{"lora.r": 8})
    assert job.state == State.QUEUED
    assert job.spec["lora"] | {"r": 8, "alpha": 32} == job.spec["lora"]


def test_a_submitted_job_knows_model_and_dataset():
    job = make_submitted()
    assert (job.base_model.name, job.dataset.name) == ("house/tiny-chat", "support chats")


def test_a_job_without_a_name_is_called_after_model_and_data():
    assert make_submitted().name == "tiny-chat on support chats"


def test_a_job_keeps_the_name_it_was_given():
    job = make_submitted(name="the bot")
    assert (job.name, job.spec["name"]) == ("the bot", "the bot")


def test_facts_and_findings_are_stored_as_they_were():
    job = make_submitted(make_dataset(**FEW))
    job.refresh_from_db()
    assert job.facts["rows"] == 5
    assert [finding["severity"] for finding in job.findings].count("warning") == 1


def test_a_submit_is_written_down():
    job = make_submitted()
    assert states(job) == [("", "queued")]
    assert job.transitions.get().by == make_user()


def test_a_blocking_report_refuses_the_submit():
    with pytest.raises(services.Refused) as refused:
        make_submitted(**{"training.num_epochs": -1})
    assert [finding.field for finding in refused.value.report.errors] == ["training.num_epochs"]
    assert not Job.objects.exists()


def test_warnings_want_a_confirmation():
    choices = make_choices(make_dataset(**FEW))
    with pytest.raises(services.Refused):
        services.submit(choices=choices, user=make_user(), confirmed=False)
    assert not Job.objects.exists()


def test_who_confirmed_the_warnings_is_stored():
    job = make_submitted(make_dataset(**FEW))
    assert job.confirmed_by == make_user() and job.confirmed_at


def test_nobody_confirms_what_has_no_warnings():
    job = services.submit(choices=make_choices(), user=make_user(), confirmed=False)
    assert job.confirmed_by is None and job.confirmed_at is None


def test_a_submit_rings_the_training_queue(django_capture_on_commit_callbacks, monkeypatch):
    rung = []
    monkeypatch.setattr(services, "async_task", lambda *task, **options: rung.append((task, options)))
    with django_capture_on_commit_callbacks(execute=True):
        make_submitted()
    assert rung == [(("jobs.supervisor.tick",), {"cluster": settings.TRAIN_QUEUE, "save": False})]


def test_the_quota_is_counted_in_the_submit(monkeypatch):
    monkeypatch.setattr(settings, "ENVIRONMENT", settings.ENVIRONMENT.model_copy(update={"max_active_jobs": 1}))
    dataset = make_dataset()
    make_submitted(dataset)
    with pytest.raises(services.Refused):
        make_submitted(dataset)


def test_a_retry_is_a_new_job_of_the_same_choices():
    job = make_submitted(**{"lora.r": 8})
    again = services.retry(job=job, by=make_user())
    assert (again.retry_of, again.spec, again.state) == (job, job.spec, State.QUEUED)


def test_a_retry_by_staff_stays_with_the_owner():
    again = services.retry(job=make_submitted(), by=make_user("admin", is_staff=True))
    assert again.owner == make_user()
    assert again.transitions.get().by == make_user("admin")


def test_a_retry_is_checked_as_today():
    job = make_submitted()
    job.base_model.delete()
    with pytest.raises(services.Refused):
        services.retry(job=job, by=make_user())


def test_a_retry_needs_no_new_confirmation_of_the_same_warnings():
    job = make_submitted(make_dataset(**FEW))
    assert services.retry(job=job, by=make_user()).confirmed_by == make_user()


def test_a_retry_with_a_new_warning_is_refused():
    job = make_submitted()
    job.dataset.rows = 5
    job.dataset.save()
    with pytest.raises(services.Refused):
        services.retry(job=job, by=make_user())


def test_a_waiting_job_is_cancelled_at_once():
    job = services.cancel(job=make_job(), by=make_user())
    assert job.state == State.CANCELLED and job.finished_at
    assert states(job) == [("queued", "cancelled")]


@pytest.mark.parametrize("state", ON_A_MACHINE)
def test_a_job_on_a_machine_is_asked_to_stop(state):
    job = services.cancel(job=make_job(state=state, machine="here", slots=[0]), by=make_user())
    assert job.state == state and job.cancel_requested


@pytest.mark.parametrize("state", ENDED)
def test_a_job_that_has_ended_cannot_be_cancelled(state):
    job = make_job(state=state)
    with pytest.raises(services.HasEnded):
        services.cancel(job=job, by=make_user())
    assert states(job) == []


def test_cancelling_twice_asks_once():
    job = make_job(state=State.RUNNING, machine="here", slots=[0])
    services.cancel(job=job, by=make_user())
    assert services.cancel(job=job, by=make_user()).cancel_requested


def test_a_job_that_was_claimed_in_the_meantime_is_asked_to_stop():
    job = make_job()
    services.claim(Job.objects.get(pk=job.pk), "here", [0])
    assert services.cancel(job=job, by=make_user()).cancel_requested


def test_a_claim_takes_the_places_and_begins_an_attempt():
    job = make_job()
    assert services.claim(job, "here", [1, 2])
    assert (job.state, job.attempt, job.machine, job.slots) == (State.PREPARING, 1, "here", [1, 2])
    begun = job.attempts.get()
    assert (begun.number, begun.machine, begun.slots, begun.outcome) == (1, "here", [1, 2], "running")
    assert states(job) == [("queued", "preparing")]


def test_of_two_claims_of_a_job_one_succeeds():
    job = make_job()
    stale = Job.objects.get(pk=job.pk)
    assert services.claim(job, "here", [0]) and not services.claim(stale, "there", [0])
    assert job.attempts.count() == 1 and states(job) == [("queued", "preparing")]


def test_of_two_claims_of_a_place_one_succeeds_and_the_other_leaves_no_trace():
    first, second = make_job(), make_job()
    assert services.claim(first, "here", [1]) and not services.claim(second, "here", [0, 1])
    assert (second.state, second.attempt, second.slots, states(second)) == (State.QUEUED, 0, [], [])
    assert services.claim(second, "there", [0, 1])


def test_a_job_that_leaves_its_machine_gives_back_its_places_and_ends_its_attempt():
    job = make_job()
    services.claim(job, "here", [0])
    ended = {"outcome": Outcome.CRASHED, "exit_code": -9, "last_step": 7}
    services.move(job, State.QUEUED, ended=ended)
    attempt = job.attempts.get()
    assert job.slots == [] and attempt.ended_at
    assert (attempt.outcome, attempt.exit_code, attempt.last_step) == ("crashed", -9, 7)


def test_the_database_lets_one_job_onto_a_place():
    make_job(state=State.RUNNING, machine="here", slots=[0])
    with pytest.raises(IntegrityError):
        make_job(state=State.PREPARING, machine="here", slots=[0])


def test_an_earlier_attempt_can_write_nothing_any_more():
    job = make_job(state=State.RUNNING, machine="here", slots=[0], attempt=1)
    Job.objects.filter(pk=job.pk).update(attempt=2)
    assert not services.record(job, step=7)
    assert not services.move(job, State.SUCCEEDED)
    job.refresh_from_db()
    assert (job.step, job.state, states(job)) == (0, State.RUNNING, [])


def test_writing_progress_renews_the_lease():
    job = make_job(state=State.RUNNING, machine="here", slots=[0])
    assert services.record(job, step=7)
    job.refresh_from_db()
    assert job.step == 7 and job.lease_until


def test_progress_of_an_ended_job_is_not_written():
    assert not services.record(make_job(state=State.CANCELLED), step=7)


def test_all_that_one_has_waiting_is_cancelled_at_once():
    waiting = [make_job(), make_job(state=State.CHECKING)]
    running, hers = make_job(state=State.RUNNING), make_job(make_user("colleague"))
    assert services.cancel_waiting(by=make_user()) == [job.pk for job in reversed(waiting)]
    left = Job.objects.exclude(state=State.CANCELLED)
    assert set(left) == {running, hers}


def test_an_owner_puts_a_job_behind_others_and_back_again():
    job = make_job()
    assert services.set_priority(job=job, by=job.owner, priority=-1).priority == -1
    assert services.set_priority(job=job, by=job.owner, priority=0).priority == 0


def test_only_staff_put_a_job_before_others():
    job, admin = make_job(), make_user("admin", is_staff=True)
    with pytest.raises(services.NotAllowed):
        services.set_priority(job=job, by=job.owner, priority=1)
    assert services.set_priority(job=job, by=admin, priority=5).priority == 5


def test_an_owner_may_lower_what_staff_have_raised():
    job = make_job(priority=5)
    assert services.set_priority(job=job, by=job.owner, priority=3).priority == 3


def test_a_job_that_has_ended_keeps_its_priority():
    with pytest.raises(services.HasEnded):
        services.set_priority(job=make_job(state=State.SUCCEEDED), by=make_user(), priority=-1)


def test_a_waiting_job_is_paused_at_once_and_keeps_its_place():
    job = make_job()
    entered = job.created_at
    services.pause(job=job, by=make_user())
    assert job.state == State.PAUSED
    services.resume(job=job, by=make_user())
    assert (job.state, job.created_at) == (State.QUEUED, entered)
    assert states(job) == [("queued", "paused"), ("paused", "queued")]


@pytest.mark.parametrize("state", ON_A_MACHINE)
def test_a_job_on_a_machine_is_asked_to_pause_and_may_go_on_after_all(state):
    job = make_job(state=state, machine="here", slots=[0])
    assert services.pause(job=job, by=make_user()).pause_requested
    job = services.resume(job=job, by=make_user())
    assert (job.state, job.pause_requested) == (state, False)


@pytest.mark.parametrize("verb", [services.pause, services.resume])
@pytest.mark.parametrize("state", ENDED)
def test_an_ended_job_is_neither_paused_nor_resumed(state, verb):
    with pytest.raises(services.HasEnded):
        verb(job=make_job(state=state), by=make_user())


def test_what_is_rehearsed_or_being_cancelled_is_not_paused():
    with pytest.raises(services.NotNow, match="rehearsed"):
        services.pause(job=make_job(state=State.CHECKING), by=make_user())
    going = make_job(state=State.RUNNING, machine="here", slots=[0], cancel_requested=True)
    with pytest.raises(services.NotNow, match="cancelled"):
        services.pause(job=going, by=make_user())


def test_what_is_not_paused_is_not_resumed():
    with pytest.raises(services.NotNow, match="not paused"):
        services.resume(job=make_job(), by=make_user())


def test_pausing_a_paused_job_changes_nothing():
    job = services.pause(job=make_job(), by=make_user())
    assert services.pause(job=job, by=make_user()).state == State.PAUSED
    assert states(job) == [("queued", "paused")]


def test_a_paused_job_is_cancelled_at_once():
    job = services.cancel(job=services.pause(job=make_job(), by=make_user()), by=make_user())
    assert job.state == State.CANCELLED


def test_a_resumed_job_says_from_where_and_forgets_its_crashes():
    job = make_job(state=State.PAUSED, step=120, crashes=2)
    services.resume(job=job, by=make_user())
    assert job.crashes == 0
    assert job.transitions.get().reason == "Resumed; goes on from step 120."


def make_ended_with_weights(**changes):
    job = make_submitted(**changes)
    services.claim(job, "here", [0])
    (job.run_dir / "output").mkdir(parents=True)
    services.move(job, State.SUCCEEDED, result={"artifacts": [{"name": "adapter.bin"}]})
    return job


def test_a_continued_job_goes_on_for_so_many_epochs_and_says_what_the_learning_rate_does():
    job = make_ended_with_weights(**{"training.max_steps": 50, "training.learning_rate": 0.0003})
    more = services.continue_(job=job, by=make_user(), epochs=2)
    training = more.spec["training"]
    assert (more.continued_from, training["num_epochs"], training.get("max_steps")) == (job, 2, None)
    assert training["start_from"] == job.pk
    assert (more.state, training["learning_rate"], more.name) == (State.QUEUED, 0.0003, f"{job.name}, continued")
    assert "The learning rate starts again at 0.0003 and follows a new" in more.transitions.get().reason


def test_a_job_that_runs_or_left_nothing_cannot_be_continued():
    with pytest.raises(services.NotNow, match="not ended"):
        services.continue_(job=make_job(), by=make_user(), epochs=1)
    with pytest.raises(services.NotNow, match="no weights"):
        services.continue_(job=make_job(state=State.FAILED), by=make_user(), epochs=1)


def test_a_continuation_is_checked_as_today():
    job = make_ended_with_weights()
    job.dataset.delete()
    with pytest.raises(services.Refused):
        services.continue_(job=job, by=make_user(), epochs=1)


def test_nothing_looks_at_files_while_others_wait_for_the_database(monkeypatch):
    outside, inside = len(connection.savepoint_ids), []
    reviewed = services.review
    monkeypatch.setattr(
        services,
        "review",
        lambda *args, **more: inside.append(len(connection.savepoint_ids)) or reviewed(*args, **more),
    )
    make_submitted()
    assert inside == [outside]


def test_jobs_that_came_during_the_review_count(monkeypatch):
    def meanwhile(*args, **more):
        asked = reviewed(*args, **more)
        for _ in range(settings.ENVIRONMENT.max_active_jobs):
            make_job()
        return asked

    reviewed = services.review
    monkeypatch.setattr(services, "review", meanwhile)
    with pytest.raises(services.Refused) as refused:
        make_submitted()
    assert [finding.code for finding in refused.value.report.errors] == ["account.too-many-jobs"]


def test_a_dataset_that_went_during_the_review_is_said(monkeypatch):
    def meanwhile(asked, user):
        user.datasets.all().delete()
        return asked

    monkeypatch.setattr(services, "counted_now", meanwhile)
    with pytest.raises(services.Refused) as refused:
        make_submitted()
    assert [finding.field for finding in refused.value.report.errors] == ["data.dataset"]
    assert not Job.objects.exists()
