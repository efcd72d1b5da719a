"""What the trainers themselves wrote while everything around them was killed, and what that proves.

Nothing here asks the database: an attempt is what its events say, and two attempts overlap when their events do.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Life:
    """One trainer, from its first event to its last (unix seconds). `losses` has one entry for each step it made."""

    job: int
    attempt: int
    first: float
    last: float
    slots: tuple[int, ...] = ()
    resumed_at: int = 0
    losses: dict[int, float] = field(default_factory=dict)
    checkpoints: tuple[int, ...] = ()
    finished: bool = False


def lives(runs: Path) -> list[Life]:
    """Every attempt in a folder of runs whose trainer said anything, in the order of jobs and attempts."""
    folders = [path.parent for path in runs.glob("*/*/events.jsonl") if path.parent.name.isdecimal()]
    told = (_life(folder) for folder in folders if folder.parent.name.isdecimal())
    return sorted((life for life in told if life), key=lambda life: (life.job, life.attempt))


def _life(folder: Path) -> Life | None:
    events = list(_events(folder / "events.jsonl"))
    if not events:
        return None
    times = [datetime.fromisoformat(event["at"]).timestamp() for event in events]
    by_kind = defaultdict(list)
    for event in events:
        by_kind[event["event"]].append(event)
    return Life(
        job=int(folder.parent.name),
        attempt=int(folder.name),
        first=times[0],
        last=times[-1],
        slots=tuple(by_kind["started"][0].get("slots") or ()) if by_kind["started"] else (),
        resumed_at=by_kind["resumed"][-1]["step"] if by_kind["resumed"] else 0,
        losses={event["step"]: event["loss"] for event in by_kind["step"]},
        checkpoints=tuple(event["step"] for event in by_kind["checkpoint"]),
        finished=bool(by_kind["finished"]),
    )


def _events(path: Path) -> Iterator[dict[str, Any]]:
    """A line that a kill has cut in two is not evidence."""
    for line in path.read_bytes().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def run_twice(found: Iterable[Life]) -> list[tuple[Life, Life]]:
    """Attempts at the same job that lived at the same time."""
    return _overlapping(found, lambda life: [life.job])


def shared_a_place(found: Iterable[Life]) -> list[tuple[Life, Life]]:
    """Different jobs that trained in the same place at the same time."""
    pairs = _overlapping(found, lambda life: life.slots)
    return [(one, other) for one, other in pairs if one.job != other.job]


def _overlapping(found: Iterable[Life], by: Callable[[Life], Iterable[Hashable]]) -> list[tuple[Life, Life]]:
    groups: dict[Hashable, list[Life]] = defaultdict(list)
    for life in found:
        for key in by(life):
            groups[key].append(life)
    pairs = (pairwise(sorted(group, key=lambda life: life.first)) for group in groups.values())
    return [(one, other) for each in pairs for one, other in each if other.first < one.last]


def went_back_too_far(found: Iterable[Life]) -> list[Life]:
    """Attempts that did not go on from the last checkpoint that those before them had written."""
    best: dict[int, int] = defaultdict(int)
    far = []
    for life in sorted(found, key=lambda life: (life.job, life.attempt)):
        if life.losses and life.resumed_at < best[life.job]:
            far.append(life)
        best[life.job] = max(best[life.job], *life.checkpoints, 0)
    return far


def steps_made(found: Iterable[Life]) -> tuple[int, int]:
    """Steps in all, and how many of them had been made before."""
    made: dict[int, list[int]] = defaultdict(list)
    for life in found:
        made[life.job].extend(life.losses)
    every = sum(len(steps) for steps in made.values())
    return every, every - sum(len(set(steps)) for steps in made.values())


def differing_losses(found: Iterable[Life], kind_of: Callable[[int], str]) -> list[tuple[str, int, set[float]]]:
    """Steps at which jobs of one kind, interrupted or not, did not compute the very same loss."""
    seen: dict[tuple[str, int], set[float]] = defaultdict(set)
    for life in found:
        for step, loss in life.losses.items():
            seen[kind_of(life.job), step].add(loss)
    return [(kind, step, losses) for (kind, step), losses in seen.items() if len(losses) > 1]
