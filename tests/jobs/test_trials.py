"""Rehearsals without a job: through the API, by the command, and by the queue."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from jobs import api, rehearsals, trials
from jobs.models import Job, Trial
from jobs.warm.client import Unanswered
from tests.make import make_client, make_dataset, make_model, make_spec, make_user
from tests.rehearsals import make_document, make_finding

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_was_rehearsed")]
ADDRESS = "/api/v1/jobs/rehearse/"


@pytest.fixture(autouse=True)
def document(monkeypatch):
    """What the next rehearsal answers; a test may change it."""
    told = make_document()

    def look_into(model, revision):
        raise Unanswered("absent")

    monkeypatch.setattr(rehearsals, "look_into", look_into)
    monkeypatch.setattr(rehearsals, "ask", lambda task, **arguments: dict(told))
    return told


@pytest.fixture
def worker(monkeypatch):
    """Does at once what is put into the queue."""
    monkeypatch.setattr(trials, "enqueue", trials.run)


def make_spec_at_hand(**changes):
    make_model()
    return make_spec(**{"data.dataset": str(make_dataset().pk), **changes})


@pytest.fixture
def rehearse(django_capture_on_commit_callbacks, monkeypatch):
    monkeypatch.setattr(api, "WAITED_FOR", 0.0)

    def post(spec, user=None):
        with django_capture_on_commit_callbacks(execute=True):
            return make_client(user or make_user()).post(ADDRESS, spec)

    return post


def test_a_rehearsal_without_a_job_is_answered_with_report_and_document(rehearse, worker):
    told = rehearse(make_spec_at_hand()).json()
    later = make_client(make_user()).get(told["url"])
    assert later.status_code == 200 and later.json()["done"]
    assert later.json()["answer"]["ok"] and later.json()["answer"]["rehearsal"]["state"] == "passed"
    assert not Job.objects.exists()


def test_one_that_takes_longer_is_answered_with_where_to_ask(rehearse):
    answer = rehearse(make_spec_at_hand())
    assert answer.status_code == 202
    assert answer.json()["done"] is False and answer.json()["answer"] is None


def test_the_same_question_while_it_is_under_way_is_one_trial(rehearse):
    spec = make_spec_at_hand()
    assert rehearse(spec).json()["id"] == rehearse(spec).json()["id"]


def test_what_a_rule_refuses_is_not_rehearsed(rehearse):
    answer = rehearse(make_spec_at_hand(**{"training.num_epochs": -1}))
    assert answer.status_code == 200
    assert not answer.json()["answer"]["ok"] and answer.json()["answer"]["rehearsal"] is None


def test_a_stranger_does_not_find_it(rehearse):
    url = rehearse(make_spec_at_hand()).json()["url"]
    assert make_client(make_user("stranger")).get(url).status_code == 404


def test_a_trial_whose_worker_died_is_taken_up_again(worker):
    make_spec_at_hand()
    past = timezone.now() - timedelta(minutes=1)
    choices = {"model.name": "house/tiny-chat", "data.dataset": "1", "data.strategy": "chat", "training.method": "sft"}
    trial = Trial.objects.create(owner=make_user(), choices=choices, lease_until=past)
    trials.see_to_idle()
    trial.refresh_from_db()
    assert trial.answer


def test_a_trial_that_nobody_takes_up_is_answered_at_last(rehearse):
    rehearse(make_spec_at_hand())
    Trial.objects.update(created_at=timezone.now() - timedelta(hours=1))
    trials.see_to_idle()
    assert Trial.objects.get().answer["rehearsal"]["state"] == "not_rehearsed"


def command(tmp_path, spec, *options):
    file, out = tmp_path / "spec.json", StringIO()
    file.write_text(json.dumps(spec))
    code = 0
    try:
        call_command("rehearse", str(file), *options, stdout=out)
    except SystemExit as ended:
        code = ended.code
    return code, json.loads(out.getvalue())


def test_the_command_prints_report_and_rehearsal(tmp_path):
    code, answer = command(tmp_path, make_spec_at_hand())
    assert (code, answer["ok"], answer["rehearsal"]["state"]) == (0, True, "passed")


def test_the_command_ends_with_one_when_the_rehearsal_stops_the_job(tmp_path, document):
    document.update(state="stopped", findings=[make_finding()])
    code, answer = command(tmp_path, make_spec_at_hand())
    assert (code, answer["ok"]) == (1, False)


def test_the_command_ends_with_one_when_nothing_can_be_rehearsed_unless_that_is_accepted(tmp_path, document):
    document.update(state="not_rehearsed", reason="No stand-in.")
    spec = make_spec_at_hand()
    assert command(tmp_path, spec)[0] == 1
    assert command(tmp_path, spec, "--on-unrehearsed", "start")[0] == 0
