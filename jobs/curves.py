"""The curves of a run: loss and its companions over the steps, from what the trainer said, thinned for drawing.

Thinning keeps the lowest and the highest loss of each of equally long buckets ("min-max", as time-series databases do
for drawing): no spike is lost, and thinning what was thinned before keeps the same extremes, which the coarser levels
of `jobs.metrics` rest on. Largest-triangle looks smoother, but twice applied it may drop a spike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from .progress import MEASURES, starts_again
from .run_folder import Event

Point = dict[str, Any]


def points(events: Iterable[Event]) -> list[Point]:
    """One point for each step, with the loss of an evaluation on the step it was made after.

    A run that starts again with smaller batches has only the points of its second try.
    """
    by_step: dict[int, Point] = {}
    for event in events:
        if starts_again(event):
            by_step.clear()
        if is_measured(event):
            by_step.setdefault(event["step"], {}).update(point_of(event))
    return list(by_step.values())


def is_measured(event: Event) -> bool:
    return event.get("event") in ("step", "eval")


def point_of(event: Event) -> Point:
    return {"step": event["step"], **{name: event[name] for name in MEASURES if name in event}}


def thinned(curve: Sequence[Point], most: int) -> list[Point]:
    """At most `most` (at least 2) of the points: both ends, evaluations, and the extremes of the loss between them."""
    if len(curve) <= most:
        return list(curve)
    room = most - 2
    inner = range(1, len(curve) - 1)
    evaluated = _extremes(curve, [at for at in inner if "eval_loss" in curve[at]], "eval_loss", room // 2)
    rest = [at for at in inner if "eval_loss" not in curve[at]]
    kept = {0, len(curve) - 1, *evaluated, *_extremes(curve, rest, "loss", room - len(evaluated))}
    return [curve[at] for at in sorted(kept)]


def _extremes(curve: Sequence[Point], places: list[int], measure: str, most: int) -> list[int]:
    """Where the lowest and the highest value of each bucket stand; a value that is no number counts as the highest."""
    if len(places) <= most:
        return places
    buckets = most // 2

    def height(place: int) -> float:
        value = curve[place].get(measure)
        return inf if value is None else float(value)

    kept: list[int] = []
    for bucket in range(buckets):
        inside = places[bucket * len(places) // buckets : (bucket + 1) * len(places) // buckets]
        kept += {min(inside, key=height), max(inside, key=height)}
    return kept
