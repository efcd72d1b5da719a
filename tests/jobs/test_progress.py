"""From the events of a run to the row of its job."""

from __future__ import annotations

from jobs.curves import points, thinned
from jobs.progress import Progress


def step(number, **changes):
    at = f"2026-01-01T00:00:{number:02d}+00:00"
    return {"event": "step", "at": at, "step": number, "total_steps": 10, "loss": 2.0, **changes}


def told(*events):
    progress = Progress()
    for event in events:
        progress.add(event)
    return progress.row()


def test_nothing_is_known_before_the_first_event():
    row = told()
    assert (row["step"], row["total_steps"], row["metrics"]) == (0, None, {})
    assert row["progress"] == {"text": "", "fraction": None, "eta_seconds": None}


def test_a_stage_is_what_is_being_done():
    assert told({"event": "stage", "text": "Loading the model"})["progress"]["text"] == "Loading the model"


def test_a_step_moves_the_bar():
    row = told(step(5))
    assert (row["step"], row["total_steps"], row["progress"]["fraction"]) == (5, 10, 0.5)


def test_one_step_says_nothing_about_the_time_left():
    assert told(step(1))["progress"]["eta_seconds"] is None


def test_the_time_left_follows_from_the_pace_since_the_first_step():
    assert told(step(1), step(3), step(5))["progress"]["eta_seconds"] == 5


def test_the_latest_of_each_metric_is_kept():
    row = told(step(1, learning_rate=0.1), {"event": "eval", "step": 1, "eval_loss": 3.0}, step(2, loss=1.0))
    assert row["metrics"] == {"loss": 1.0, "learning_rate": 0.1, "eval_loss": 3.0}


def test_a_metric_that_is_null_keeps_the_one_before():
    assert told(step(1, loss=2.5), step(2, loss=None))["metrics"] == {"loss": 2.5}


def test_what_was_prepared_becomes_part_of_the_result():
    progress = Progress()
    progress.add({"event": "prepared", "total_steps": 10, "rows_given": 20, "rows_prepared": 18, "at": "now"})
    assert progress.result == {"rows_given": 20, "rows_prepared": 18}


def test_a_failure_is_remembered():
    progress = Progress()
    progress.add({"event": "failed", "finding": {"message": "Out of memory."}})
    assert progress.failure == {"message": "Out of memory."}


def test_an_evaluation_joins_the_point_of_its_step():
    curve = points([step(1), {"event": "eval", "step": 1, "eval_loss": 3.0}, {"event": "stage"}, step(2)])
    assert curve == [{"step": 1, "loss": 2.0, "eval_loss": 3.0}, {"step": 2, "loss": 2.0}]


def test_a_short_curve_is_not_thinned():
    assert thinned(points([step(1), step(2)]), 100) == points([step(1), step(2)])


def test_a_long_curve_keeps_its_end_and_its_evaluations():
    curve = [{"step": n} for n in range(1000)]
    curve[501]["eval_loss"] = 1.0
    kept = [point["step"] for point in thinned(curve, 10)]
    assert 501 in kept and 999 in kept and len(kept) <= 13


def test_a_row_does_not_change_once_it_was_taken():
    progress = Progress()
    progress.add(step(1, loss=2.0))
    before = progress.row()
    progress.add({"event": "eval", "step": 1, "eval_loss": 3.0})
    assert before["metrics"] == {"loss": 2.0} != progress.row()["metrics"]
