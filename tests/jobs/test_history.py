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
    ((predicted, measured),) = facts["memory_history"]["cpu sft lora none"]
    assert measured == 2 * 10**9 and predicted > 10**8
    ((work, seconds),) = facts["pace_history"]["cpu sft lora none"]
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
