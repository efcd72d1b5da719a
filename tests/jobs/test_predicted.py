"""Predicted against measured: what is kept, and how it is told."""

from __future__ import annotations

import pytest

from jobs.models import State
from jobs.predicted import RESUMED, Compared, as_it_ran, compared, predicted, retried
from jobs.rulebook import read
from tests.make import make_job
from tests.pages.conftest import browse
from tests.rulebook.world import World, spec

pytestmark = pytest.mark.django_db
MEASURED = {"memory_bytes": 10**9, "seconds_per_step": 2.0, "train_seconds": 200.0, "tokens_per_step": 800}
PREDICTED = {"memory_bytes": 11 * 10**8, "seconds_per_step": 1.5, "seconds": 150, "tokens_per_step": None}
AGAIN = [{"code": "trainer.smaller-batch", "message": "Batches of 4 rows did not fit into memory."}]


def make_done(**result):
    return make_job(state=State.SUCCEEDED, result={"measured": MEASURED, "predicted": PREDICTED, **result})


def test_each_amount_is_told_with_how_far_it_was_off():
    assert compared(make_done()) == [
        Compared("Memory", "1.1 GB", "1.0 GB", "+10%"),
        Compared("Tokens a step", "not known", "800", ""),
        Compared("A step", "1.5 s", "2 s", "−25%"),
        Compared("Training", "2 minutes", "3 minutes", "−25%"),
    ]


def test_a_job_that_measured_nothing_compares_nothing():
    assert compared(make_job(result={})) == []


def test_the_prediction_is_of_the_batch_that_ran():
    facts = World().known(read(spec()))
    whole, smaller = (predicted(facts, {"measured": measured})["memory_bytes"] for measured in ({}, {"batch_size": 1}))
    assert smaller < 0.7 * whole
    assert as_it_ran(facts, {})["batch_size"] == 4


def test_the_page_of_the_job_shows_both_and_that_it_had_to_go_on_smaller():
    job = make_done(findings=AGAIN)
    assert retried(job) == AGAIN[0]["message"]
    page = browse(job.owner).get(job.get_absolute_url()).content.decode()
    assert AGAIN[0]["message"] in page
    assert "<td>1.1 GB</td><td>1.0 GB</td><td>+10%</td>" in page


def test_the_page_of_a_job_that_measured_nothing_has_no_such_part():
    job = make_job(result={})
    assert "job-predicted" not in browse(job.owner).get(job.get_absolute_url()).content.decode()


def test_a_run_that_was_resumed_is_not_said_to_have_found_no_memory():
    job = make_job(state="running", attempt=2)
    job.transitions.create(from_state="running", to_state="running", reason=f"{RESUMED} 100.")
    assert retried(job) == ""
