"""The curves of a run: loss and its companions over the steps, from the events in its folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .models import Job
from .progress import MEASURES, starts_again
from .run_folder import Event, RunFolder


def curve(job: Job, most_points: int) -> list[dict[str, Any]]:
    """The points of a job's curves, at most so many; evaluations and the last point are always kept."""
    return thinned(points(RunFolder(job.run_dir).all_events()), most_points)


def points(events: Iterable[Event]) -> list[dict[str, Any]]:
    """One point for each step, with the loss of an evaluation on the step it was made after.

    A run that starts again with smaller batches has only the points of its second try.
    """
    by_step: dict[int, dict[str, Any]] = {}
    for event in events:
        if starts_again(event):
            by_step.clear()
        if event.get("event") in ("step", "eval"):
            point = by_step.setdefault(event["step"], {"step": event["step"]})
            point |= {name: event[name] for name in MEASURES if name in event}
    return list(by_step.values())


def thinned(curve: list[dict[str, Any]], most_points: int) -> list[dict[str, Any]]:
    """Every n-th point, so that about `most_points` are left."""
    every = max(1, -(-len(curve) // most_points))
    last = len(curve) - 1
    return [point for n, point in enumerate(curve) if n % every == 0 or n == last or "eval_loss" in point]
