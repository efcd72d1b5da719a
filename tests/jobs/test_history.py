"""Finished jobs of this machine are held against what was predicted for them."""

from __future__ import annotations

import pytest
from django.conf import settings

from jobs import history
from jobs.models import State
from jobs.rulebook import read
from tests.make import make_job
from tests.rulebook.world import World, spec

pytestmark = pytest.mark.django_db
MEASURED = {"memory_bytes": 2 * 10**9, "seconds_per_step": 3.0}


@pytest.fixture(autouse=True)
def _look_again():
    history._history.cache_clear()
    yield
    history._history.cache_clear()


def make_done(**changes):
    facts = World().known(read(spec()))
    usual = {"state": State.SUCCEEDED, "machine": settings.MACHINE_NAME, "result": {"measured": MEASURED}}
    return make_job(**{**usual, "facts": {**facts, "given": []}, **changes})


def test_a_finished_job_tells_its_error_and_its_pace():
    make_done()
    facts = history.history_facts()
    ((predicted, measured),) = facts["memory_history"]["cpu sft lora none checkpointed"]
    assert measured == 2 * 10**9 and predicted > 10**8
    ((work, seconds),) = facts["pace_history"]["cpu sft lora none checkpointed"]
    assert work > 0 and seconds == 3.0


def test_jobs_of_other_machines_and_failed_ones_tell_nothing():
    make_done(machine="elsewhere")
    make_done(state=State.FAILED)
    make_done(result={})
    assert history.history_facts() == {"memory_history": {}, "pace_history": {}}


def test_it_is_looked_up_once_a_minute(django_assert_num_queries):
    history.history_facts()
    with django_assert_num_queries(0):
        history.history_facts()


def test_a_run_that_went_on_with_smaller_batches_counts_as_it_ran():
    """Held against the batch that found no memory, it would teach that everything takes half."""
    usual, smaller = {**MEASURED, "batch_size": 4}, {**MEASURED, "batch_size": 1, "gradient_accumulation": 4}
    make_done(result={"measured": usual})
    make_done(result={"measured": smaller})
    told = history.history_facts()
    (newest, _), (first, _) = told["memory_history"]["cpu sft lora none checkpointed"]
    assert newest < 0.7 * first
    (work_of_newest, _), (work_of_first, _) = told["pace_history"]["cpu sft lora none checkpointed"]
    assert work_of_newest == work_of_first, "a step still sees the same rows"


def test_a_run_of_which_nobody_knows_the_batch_tells_nothing():
    make_done(result={"measured": MEASURED, "findings": [{"code": "trainer.smaller-batch", "message": "Again."}]})
    assert history.history_facts()["memory_history"] == {}


def test_runs_with_and_without_checkpointing_are_not_mixed():
    make_done()
    make_done(facts={**World().known(read(spec(**{"training.gradient_checkpointing": False}))), "given": []})
    assert set(history.history_facts()["memory_history"]) == {
        "cpu sft lora none checkpointed", "cpu sft lora none kept"
    }  # fmt: skip
