"""From submit to the queue: rehearsed, refused, cancelled, lost and found again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import checking, rehearsals, services, supervisor
from jobs.models import Job, OnUnrehearsed, OnWarning, Rehearsal, State
from jobs.rulebook import read
from jobs.warm.client import Unanswered
from tests.make import make_dataset, make_job, make_model, make_spec, make_user
from tests.rehearsals import make_document, make_finding

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_was_rehearsed")]
PAST = timezone.now() - timedelta(minutes=5)


@pytest.fixture
def asked(monkeypatch):
    """What the warm process was asked; it answers with `asked.document`, or raises it."""

    class Asked(list):
        document = make_document()

        def __call__(self, task, **arguments):
            if task == "inspect":
                raise Unanswered("absent")
            self.append(arguments)
            if isinstance(self.document, Exception):
                raise self.document
            return dict(self.document)

    asked = Asked()
    monkeypatch.setattr(rehearsals, "ask", asked)
    return asked


@pytest.fixture(autouse=True)
def _no_inspection(monkeypatch):
    def look_into(model, revision):
        raise Unanswered("absent")

    monkeypatch.setattr(rehearsals, "look_into", look_into)


@pytest.fixture
def enqueued(monkeypatch):
    found = []
    monkeypatch.setattr(services, "async_task", lambda *task, **options: found.append(task))
    return found


def make_submitted(dataset=None, **policy):
    make_model()
    dataset = dataset or make_dataset()
    choices = read(make_spec(**{"data.dataset": str(dataset.pk)}))
    return services.submit(choices=choices, user=make_user(), confirmed=True, **policy)


def checked(job):
    checking.run(job.pk)
    job.refresh_from_db()
    return job


def test_a_new_job_is_checked_first(enqueued, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        job = make_submitted()
    assert job.state == State.CHECKING
    assert enqueued == [("jobs.checking.run", job.pk)]


def test_a_job_whose_rehearsal_passes_is_queued(asked):
    job = checked(make_submitted())
    assert (job.state, job.rehearsal.state, job.lease_until) == (State.QUEUED, "passed", None)
    assert [step.to_state for step in job.transitions.all()] == ["checking", "queued"]


def test_the_rehearsal_is_told_what_the_trainer_will_be_told(asked):
    job = checked(make_submitted())
    [told] = asked
    assert told["run"]["spec"] | {"name": None} == job.spec | {"name": None}
    assert told["rows"][0]["row"] == {"messages": [{"role": "user", "content": "Hello?"},
                                                   {"role": "assistant", "content": "Ahoy!"}]}  # fmt: skip
    assert told["model_folder"] == job.base_model.path


def test_a_rehearsal_that_finds_an_error_refuses_the_job(asked):
    asked.document = make_document("stopped", findings=[make_finding()])
    job = checked(make_submitted())
    assert (job.state, job.error["code"]) == (State.REFUSED, "rehearsal.no-gradient")
    assert job.finished_at and not job.may_start_anyway


def test_the_same_job_is_rehearsed_once_and_then_queued_at_once(asked):
    checked(make_submitted())
    again = make_submitted(Job.objects.get().dataset)
    assert (again.state, len(asked)) == (State.QUEUED, 1)


def test_the_same_mistake_is_refused_at_the_submit(asked):
    asked.document = make_document("stopped", findings=[make_finding()])
    job = checked(make_submitted())
    with pytest.raises(services.Refused):
        make_submitted(job.dataset)


def test_other_settings_are_rehearsed_anew(asked):
    job = checked(make_submitted())
    choices = read(make_spec(**{"data.dataset": str(job.dataset.pk), "lora.r": 4}))
    assert services.submit(choices=choices, user=job.owner, confirmed=True).state == State.CHECKING


def test_what_cannot_be_rehearsed_is_refused(asked):
    asked.document = make_document("not_rehearsed", reason="No stand-in.")
    job = checked(make_submitted())
    assert (job.state, job.error["code"], job.may_start_anyway) == (State.REFUSED, "rehearsal.not-possible", True)


def test_what_cannot_be_rehearsed_starts_where_its_author_said_so(asked):
    asked.document = make_document("not_rehearsed", reason="No stand-in.")
    job = checked(make_submitted(on_unrehearsed=OnUnrehearsed.START))
    assert job.state == State.QUEUED and job.confirmed_by == job.owner
    assert ("rehearsal.not-possible", "warning") in {(each["code"], each["severity"]) for each in job.findings}


def test_start_without_a_rehearsal_is_one_step(asked):
    asked.document = make_document("not_rehearsed", reason="No stand-in.")
    again = services.retry(job=checked(make_submitted()), by=make_user(), anyway=True)
    assert (again.state, again.on_unrehearsed) == (State.QUEUED, "start")


def test_a_new_warning_refuses_the_job_of_a_page(asked):
    asked.document = make_document(findings=[make_finding("warning")])
    job = checked(make_submitted(on_warning=OnWarning.REFUSE))
    assert (job.state, job.error["severity"], job.may_start_anyway) == (State.REFUSED, "warning", True)


def test_start_anyway_accepts_the_new_warning(asked):
    asked.document = make_document(findings=[make_finding("warning")])
    job = checked(make_submitted(on_warning=OnWarning.REFUSE))
    with pytest.raises(services.Refused):
        services.retry(job=job, by=make_user())
    assert services.retry(job=job, by=make_user(), anyway=True).state == State.QUEUED


def test_a_new_warning_is_recorded_where_warnings_are_accepted(asked):
    asked.document = make_document(findings=[make_finding("warning")])
    job = checked(make_submitted())
    assert job.state == State.QUEUED and job.confirmed_by == job.owner
    assert "rehearsal.no-gradient" in {each["code"] for each in job.findings}


@pytest.mark.parametrize("reason", ["timeout", "memory", "crashed", "failed"])
def test_an_accident_is_told_and_not_remembered(asked, reason):
    asked.document = Unanswered(reason)
    job = checked(make_submitted())
    assert (job.state, job.error["code"], job.rehearsal.key) == (State.REFUSED, "rehearsal.not-possible", "")
    asked.document = make_document()
    assert checked(make_submitted(job.dataset)).state == State.QUEUED


def test_a_job_cancelled_while_it_is_rehearsed_stays_cancelled(asked):
    job = make_submitted()
    services.cancel(job=job, by=job.owner)
    assert checked(job).state == State.CANCELLED and not asked


def test_a_second_delivery_does_nothing(asked):
    job = checked(make_submitted())
    checking.run(job.pk)
    assert len(asked) == 1 and job.transitions.count() == 2


def test_a_job_whose_worker_died_is_given_to_another(enqueued):
    job = make_job(state=State.CHECKING, lease_until=PAST, rehearsal_tries=1)
    supervisor.tick()
    job.refresh_from_db()
    assert job.lease_until is None and enqueued == [("jobs.checking.run", job.pk)]


def test_a_job_that_is_being_rehearsed_is_left_alone(enqueued):
    job = make_job(state=State.CHECKING, lease_until=timezone.now() + timedelta(seconds=20))
    checking.revive()
    checking.run(job.pk)
    assert not enqueued and Job.objects.get().state == State.CHECKING


def test_a_job_over_which_three_workers_died_is_refused_as_not_rehearsed():
    job = make_submitted()
    Job.objects.update(lease_until=PAST, rehearsal_tries=3)
    checking.revive()
    job.refresh_from_db()
    assert (job.state, job.error["code"]) == (State.REFUSED, "rehearsal.not-possible")
    assert "3 times" in job.error["message"]


def test_a_lost_task_is_put_into_the_queue_again(enqueued):
    job = make_job(state=State.CHECKING)
    Job.objects.update(created_at=timezone.now() - timedelta(seconds=20))
    checking.revive()
    assert enqueued == [("jobs.checking.run", job.pk)]


def test_a_job_that_no_worker_comes_to_gets_a_process_of_its_own(monkeypatch):
    launched = []
    monkeypatch.setattr(checking.subprocess, "run", lambda command, **options: launched.append(command))
    job = make_job(state=State.CHECKING)
    Job.objects.update(created_at=PAST)
    checking.revive()
    assert launched[0][-3:] == ["rehearse", "--job", str(job.pk)]


def test_a_rehearsal_whose_worker_died_is_taken_over(asked, monkeypatch):
    job = make_submitted()
    monkeypatch.setattr(rehearsals, "key_of", lambda *question: "same")
    Rehearsal.objects.create(key="same", lease_until=PAST)
    assert checked(job).state == State.QUEUED and len(asked) == 1


def test_who_asks_the_same_meanwhile_waits_for_the_answer(asked, monkeypatch):
    job = make_submitted()
    monkeypatch.setattr(rehearsals, "key_of", lambda *question: "same")
    Rehearsal.objects.create(key="same", lease_until=timezone.now() + timedelta(seconds=30))
    answer = lambda seconds: Rehearsal.objects.update(document=make_document())  # noqa: E731
    monkeypatch.setattr(rehearsals.time, "sleep", answer)
    assert checked(job).state == State.QUEUED and not asked
