"""Metrics in the database: recorded in batches, once, over all attempts, and read thinned or whole."""

from __future__ import annotations

import json

import pytest
from django.db import OperationalError
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from jobs import metrics
from jobs.curves import thinned
from jobs.metrics import Recorder, curve, full_curve, packed, record_all, unpacked
from jobs.models import MetricBatch
from jobs.run_folder import RunFolder
from tests.make import make_job

AGAIN = {"event": "findings", "findings": [{"code": "trainer.smaller-batch", "message": "Smaller."}]}


def step(number, loss=2.0, **more):
    return {"event": "step", "step": number, "loss": loss, **more}


def evaluation(number, loss):
    return {"event": "eval", "step": number, "eval_loss": loss}


def steps(first, last, loss=2.0):
    return [step(number, loss) for number in range(first, last + 1)]


def make_run(events, *, attempt=1, job=None):
    """A job whose attempt has said these things, all of which were recorded."""
    job = job or make_job(state="running")
    job.attempt = attempt
    recorder = Recorder(job)
    for event in events:
        recorder.add(event)
    recorder.flush()
    return job


def shown(job, most=1000):
    return [(point["step"], point["loss"]) for point in curve(job, most)]


pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Batches of four, so that a few dozen points have levels."""
    monkeypatch.setattr(metrics, "POINTS_A_BATCH", 4)


def test_many_points_make_few_rows():
    job = make_run(steps(1, 10))
    assert shown(job) == [(number, 2.0) for number in range(1, 11)]
    assert [row.count for row in job.metric_batches.filter(level=0).order_by("number")] == [4, 4, 2]


def test_an_evaluation_joins_its_step_though_that_was_written_before():
    job = make_run(steps(1, 4))
    make_run([evaluation(4, 1.5)], job=job)
    assert curve(job, 10)[-1] == {"step": 4, "loss": 2.0, "eval_loss": 1.5}


def test_the_same_events_again_change_nothing():
    events = [*steps(1, 9), evaluation(9, 1.5), *steps(10, 21)]
    job = make_run(events)
    before = list(MetricBatch.objects.order_by("pk").values())
    make_run(events, job=job)
    assert list(MetricBatch.objects.order_by("pk").values()) == before


@pytest.mark.parametrize("died_after", range(0, 22, 3))
def test_whoever_takes_over_begins_at_the_first_event(died_after):
    events = [*steps(1, 9), evaluation(9, 1.5), *steps(10, 21)]
    whole = make_run(events)
    taken_over = make_run(events, job=make_run(events[:died_after]))
    assert rows(taken_over) == rows(whole)


def test_what_is_recorded_is_passed_over_without_asking_again(monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(metrics, "MOST_PENDING", 3)
    job = make_run([AGAIN, *steps(1, 100)])
    with django_assert_max_num_queries(12):
        make_run([*steps(1, 100)], job=job)


def rows(job):
    fields = ("attempt", "level", "number", "first_step", "last_step", "count", "points")
    return [
        tuple(map(bytes_or_not, row)) for row in job.metric_batches.order_by("level", "number").values_list(*fields)
    ]


def bytes_or_not(value):
    return bytes(value) if isinstance(value, memoryview) else value


def test_what_a_later_attempt_repeats_replaces_what_an_earlier_one_had():
    job = make_run(steps(1, 10, loss=2.0))
    make_run(steps(8, 12, loss=1.0), job=job, attempt=2)
    assert shown(job) == [(n, 2.0) for n in range(1, 8)] + [(n, 1.0) for n in range(8, 13)]


def test_an_attempt_from_the_start_replaces_all_before():
    job = make_run(steps(1, 10, loss=2.0))
    make_run(steps(6, 12, loss=1.5), job=job, attempt=2)
    make_run(steps(1, 3, loss=1.0), job=job, attempt=3)
    assert shown(job) == [(1, 1.0), (2, 1.0), (3, 1.0)]


def test_an_attempt_that_has_said_nothing_takes_nothing_away():
    job = make_run(steps(1, 3))
    assert shown(make_run([], job=job, attempt=2)) == [(1, 2.0), (2, 2.0), (3, 2.0)]


def test_a_run_that_starts_again_with_smaller_batches_has_only_its_second_try():
    events = [*steps(1, 9), AGAIN, *steps(1, 2, loss=1.0)]
    job = make_run(events)
    assert shown(job) == [(1, 1.0), (2, 1.0)]
    assert shown(make_run(events, job=job)) == [(1, 1.0), (2, 1.0)]


def test_a_long_run_is_read_from_few_rows(django_assert_max_num_queries):
    job = make_run(steps(1, 1000))
    job.metric_batches.filter(level=0, last_step__lte=256).update(points=b"not read")
    with django_assert_max_num_queries(6):
        drawn = curve(job, 40)
    assert len(drawn) <= 40 and (drawn[0]["step"], drawn[-1]["step"]) == (1, 1000)


def test_a_peak_and_a_loss_that_is_no_number_are_drawn_however_long_the_run():
    losses = dict.fromkeys(range(1, 1500), 2.0) | {777: 50.0, 1303: None, 402: 0.01}
    job = make_run([step(number, loss) for number, loss in losses.items()])
    assert {(777, 50.0), (1303, None), (402, 0.01)} <= set(shown(job, 60))


def test_every_point_can_be_had_page_by_page():
    job = make_run(steps(1, 18, loss=2.0))
    make_run(steps(15, 30, loss=1.0), job=job, attempt=2)
    found, after = [], 0
    while after is not None:
        points, after = full_curve(job, after=after, most_points=7)
        found += points
    assert [(point["step"], point["loss"]) for point in found] == shown(job)


def test_what_only_the_files_have_is_drawn_and_paged_too(settings):
    job = make_job(state="succeeded", attempt=2)
    for attempt, said in ((1, steps(1, 9, loss=2.0)), (2, steps(6, 8, loss=1.0))):
        write_events(settings.RUNS_DIR / str(job.pk) / str(attempt), said)
    assert shown(job) == [(n, 2.0) for n in range(1, 6)] + [(n, 1.0) for n in range(6, 9)]
    assert full_curve(job, after=6, most_points=1) == ([{"step": 7, "loss": 1.0}], 7)


def test_the_files_of_a_dead_attempt_are_recorded_behind_what_was():
    job = make_job(state="running", attempt=1)
    write_events(job.run_dir, steps(1, 9))
    make_run(steps(1, 5), job=job)
    record_all(job)
    assert shown(job) == [(n, 2.0) for n in range(1, 10)]


def write_events(folder, events):
    folder.mkdir(parents=True)
    RunFolder(folder).events_file.write_text("".join(json.dumps(event) + "\n" for event in events))


def test_a_database_that_is_away_delays_points_and_loses_none(monkeypatch):
    def away(*args):
        raise OperationalError

    recorder = Recorder(job := make_job(state="running"))
    recorder.add(step(1))
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "_fold", away)
        patch.setattr("jobs.database_away.connection.close", lambda: None)
        assert recorder.flush() is False
    recorder.add(step(2))
    assert recorder.flush() and shown(job) == [(1, 2.0), (2, 2.0)]


def test_points_are_written_once_so_many_wait_or_some_seconds_have_passed(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("jobs.metrics.time.monotonic", lambda: clock[0])
    recorder = Recorder(job := make_job(state="running"))
    recorder.add(step(1))
    assert not job.metric_batches.exists()
    clock[0] = metrics.SECONDS
    recorder.add(step(2))
    assert job.metric_batches.get().count == 2
    for number in range(3, 3 + metrics.MOST_PENDING):
        recorder.add(step(number))
    assert shown(job)[-1] == (2 + metrics.MOST_PENDING, 2.0)


def test_metrics_go_with_their_job():
    job = make_run(steps(1, 40))
    job.delete()
    assert not MetricBatch.objects.exists()


at_any_pace = trying(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
"""Machines that do other things as well are slow, which says nothing about points."""


@at_any_pace
@given(
    st.lists(
        st.fixed_dictionaries(
            {"step": st.integers(0, 2**31)},
            optional={
                "loss": st.none() | st.floats(allow_nan=False, allow_infinity=False),
                "rewards/margins": st.floats(0, 9),
            },
        ),
        min_size=1,
    )
)
def test_points_are_kept_exactly(points):
    assert unpacked(packed(points)) == points


@at_any_pace
@given(st.lists(st.floats(0, 9), max_size=300), st.sets(st.integers(0, 299)), st.integers(2, 60))
def test_a_thinned_curve_is_short_in_order_and_keeps_ends_and_extremes(losses, evaluated, most):
    full = [
        {"step": at, "loss": loss, **({"eval_loss": 1.0} if at in evaluated else {})} for at, loss in enumerate(losses)
    ]
    kept = thinned(full, most)
    assert len(kept) <= most and [each["step"] for each in kept] == sorted(each["step"] for each in kept)
    assert kept[:1] + kept[-1:] == full[:1] + full[-1:]
    plain = [point["loss"] for point in full[1:-1] if "eval_loss" not in point]
    if plain and most >= 8:
        assert {min(plain), max(plain)} <= {point["loss"] for point in kept}
