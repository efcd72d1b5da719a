"""Whose turn it is, which GPUs are for whom, and when a waiting job will start."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from jobs import queueing
from jobs.models import Job, Place, State
from jobs.rulebook.estimate import Estimate
from tests.make import make_job, make_user

pytestmark = pytest.mark.django_db

GB = 10**9


def card(index, memory=24 * GB):
    return {"index": index, "name": "A card", "memory": memory, "free": memory}


def queued(name, owner="owner", **changes):
    return make_job(make_user(owner), name=name, **changes)


def training(owner="owner", *, slots=(0,), seconds=None, **changes):
    job = make_job(make_user(owner), name="training", state=State.RUNNING, progress={"eta_seconds": seconds}, **changes)
    for slot in slots:
        Place.objects.create(machine=settings.MACHINE_NAME, slot=slot, job=job)
    return job


def names(jobs):
    return " ".join(job.name for job in jobs)


@pytest.fixture
def gpus(monkeypatch):
    """`gpus(2)` gives this machine so many."""

    def _have(count):
        monkeypatch.setattr(queueing, "cards", lambda: [card(index) for index in range(count)])
        monkeypatch.setattr(queueing, "place_count", lambda: count)

    return _have


@pytest.fixture
def takes(monkeypatch):
    """`takes(60)` foretells every waiting job so many seconds; None: nobody knows."""

    def _foretell(seconds):
        monkeypatch.setattr(queueing, "estimate", lambda facts: Estimate(seconds=facts.get("takes", seconds)))

    _foretell(None)
    return _foretell


@pytest.fixture
def most_gpus(monkeypatch):
    def _limit(most):
        changed = settings.ENVIRONMENT.model_copy(update={"max_gpus_per_user": most})
        monkeypatch.setattr(settings, "ENVIRONMENT", changed)

    return _limit


def starts():
    now = timezone.now()
    by_pk = queueing.expected_starts()
    return {job.name: round((by_pk[job.pk] - now).total_seconds()) for job in Job.objects.filter(pk__in=by_pk)}


def test_the_oldest_comes_first():
    queued("first"), queued("second"), queued("third")
    assert names(queueing.in_order()) == "first second third"


def test_a_higher_priority_comes_before_age():
    queued("old"), queued("urgent", priority=5), queued("whenever", priority=-1)
    assert names(queueing.in_order()) == "urgent old whenever"


def test_whoever_has_nothing_on_a_machine_comes_before_whoever_has():
    training("owner")
    queued("mine"), queued("hers", "colleague")
    assert names(queueing.in_order()) == "hers mine"


def test_ten_jobs_of_one_person_let_the_next_person_in_after_the_first():
    for number in range(10):
        queued(f"mine{number}")
    queued("hers", "colleague")
    assert names(queueing.in_order()[:4]) == "mine0 hers mine1 mine2"


def taken_one_by_one(waiting, on_machines):
    """The rule as it is said, step by step; the queue has it as one query."""
    left, has = list(waiting), dict(on_machines)
    while left:
        chosen = min(left, key=lambda job: (-job.priority, has.get(job.owner_id, 0), job.created_at, job.pk))
        has[chosen.owner_id] = has.get(chosen.owner_id, 0) + 1
        left.remove(chosen)
        yield chosen.pk


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_that_of_taking_one_job_after_the_other(seed):
    draw = random.Random(seed)  # noqa: S311
    people = [make_user(f"person{number}") for number in range(5)]
    busy = [training(draw.choice(people), slots=()) for _ in range(4)]
    jobs = [make_job(draw.choice(people), priority=draw.choice([0, 0, 0, 1, -1])) for _ in range(60)]
    expected = list(taken_one_by_one(jobs, Counter(job.owner_id for job in busy)))
    assert [job.pk for job in queueing.in_order(limit=100)] == expected
    assert list(queueing.places()) == expected


def test_an_urgent_job_counts_for_its_owners_other_ones():
    queued("mine"), queued("hers", "colleague"), queued("my-urgent", priority=1)
    assert names(queueing.in_order()) == "my-urgent hers mine"


def test_a_job_that_waits_for_a_time_is_no_candidate_before_it():
    queued("later", not_before=timezone.now() + timedelta(minutes=5))
    queued("due", not_before=timezone.now() - timedelta(minutes=5))
    assert names(queueing.in_order()) == "due"


@pytest.mark.parametrize("state", [State.CHECKING, State.PAUSED, State.RUNNING, State.SUCCEEDED])
def test_only_queued_jobs_wait(state):
    assert (queueing.in_order(), queueing.place_of(queued("another", state=state))) == ([], None)


def test_no_more_than_asked_for_are_read():
    queued("first"), queued("second")
    assert names(queueing.in_order(limit=1)) == "first"


def test_nobody_is_given_more_gpus_than_a_person_may_have(most_gpus):
    most_gpus(2)
    training("owner")
    queued("second"), queued("third"), queued("hers", "colleague")
    assert names(queueing.in_order()) == "hers second"


def test_the_limit_counts_gpus_and_keeps_the_order_of_ones_own_jobs(most_gpus):
    most_gpus(2)
    training("owner")
    queued("pair", processes=2), queued("single")
    assert queueing.in_order() == []


def test_a_job_beyond_the_limit_holds_up_none_of_its_owners_others(most_gpus):
    most_gpus(2)
    queued("four", processes=4), queued("single")
    assert names(queueing.in_order()) == "single"


def test_the_place_counts_everybody():
    first, hers, second = queued("first"), queued("hers", "colleague"), queued("second")
    assert [queueing.place_of(job) for job in (first, hers, second)] == [1, 2, 3]


def test_thousands_of_waiting_jobs_take_few_queries(django_assert_max_num_queries):
    owners = [make_user(f"user{number}") for number in range(50)]
    Job.objects.bulk_create(Job(owner=owners[n % 50], name=f"job{n}", spec={}) for n in range(2_000))
    with django_assert_max_num_queries(3):
        assert len(queueing.in_order()) == 50
    with django_assert_max_num_queries(3):
        assert len(queueing.places()) == 2_000


def test_a_machine_without_gpus_has_one_place():
    first = queued("first", processes=2)
    assert queueing.pick([first], [], {0}) == (first, [0])


def test_nothing_is_picked_without_a_free_place():
    assert queueing.pick([queued("first")], [card(0)], set()) is None


def test_a_job_gets_as_many_gpus_as_it_asks_for():
    pair = queued("pair", processes=2)
    assert queueing.pick([pair], [card(0), card(1), card(2)], {0, 2}) == (pair, [0, 2])


def test_gpus_are_kept_for_a_job_that_needs_several():
    pair, single = queued("pair", processes=2), queued("single")
    assert queueing.pick([pair, single], [card(0), card(1)], {1}) is None


def test_a_gpu_that_a_large_job_does_not_need_is_not_kept():
    pair, single = queued("pair", processes=2), queued("single")
    free = {0, 1, 2}
    assert queueing.pick([pair, single], [card(0), card(1), card(2)], free) == (pair, [0, 1])
    assert queueing.pick([single], [card(0), card(1), card(2)], free - {0, 1}) == (single, [2])


def test_a_job_for_more_gpus_than_there_are_holds_nothing_up():
    eight, single = queued("eight", processes=8), queued("single")
    assert queueing.pick([eight, single], [card(0), card(1)], {0, 1}) == (single, [0])


def test_a_job_for_a_large_gpu_lets_others_pass(monkeypatch):
    monkeypatch.setattr(queueing, "memory_needed", lambda facts: (facts["needs"], 0))
    large, small = queued("large", facts={"needs": 40 * GB}), queued("small", facts={"needs": 4 * GB})
    assert queueing.pick([large, small], [card(0, 80 * GB), card(1)], {1}) == (small, [1])


def test_a_waiting_job_starts_when_the_running_one_ends(takes):
    takes(60)
    training(seconds=100)
    queued("first"), queued("second")
    assert starts() == {"first": 100, "second": 160}


def test_two_gpus_serve_two_at_a_time(takes, gpus):
    takes(60), gpus(2)
    training(slots=[0], seconds=100), training(slots=[1], seconds=30)
    queued("first"), queued("second"), queued("third")
    assert starts() == {"first": 30, "second": 90, "third": 100}


def test_a_job_for_two_gpus_waits_for_both_and_keeps_the_first(takes, gpus):
    takes(60), gpus(2)
    training(slots=[0], seconds=100), training(slots=[1], seconds=30)
    queued("pair", processes=2), queued("single")
    assert starts() == {"pair": 100, "single": 160}


def test_nothing_is_foretold_behind_a_job_whose_time_nobody_knows(takes):
    training(seconds=None)
    job = queued("first")
    assert queueing.expected_start(job) is None


def test_a_free_machine_starts_the_next_job_now(takes):
    queued("first"), queued("second")
    assert starts() == {"first": 0}


def test_a_job_that_waits_for_a_time_is_not_foretold_earlier(takes):
    takes(60)
    queued("later", not_before=timezone.now() + timedelta(seconds=300)), queued("now")
    assert starts() == {"later": 300, "now": 0}


def test_a_job_that_is_half_done_takes_half_as_long(takes):
    takes(60)
    queued("resumed", step=50, total_steps=100), queued("next")
    assert starts() == {"resumed": 0, "next": 30}


def test_the_limit_of_gpus_is_foretold(takes, gpus, most_gpus):
    takes(60), gpus(2), most_gpus(1)
    queued("first"), queued("second")
    assert starts() == {"first": 0, "second": 60}


def test_foretelling_a_hundred_jobs_takes_few_queries(django_assert_max_num_queries, takes):
    takes(60)
    for number in range(120):
        queued(f"job{number}")
    with django_assert_max_num_queries(6):
        assert len(queueing.expected_starts()) == queueing.MOST_FORETOLD
