"""What finished jobs of this machine tell about the next one: how far memory was off, and how long steps took."""

from __future__ import annotations

import time
from collections import defaultdict
from functools import lru_cache
from typing import Any

from django.conf import settings

from .models import Job, State
from .predicted import LEARNT, as_it_ran, is_comparable
from .rulebook.estimate import estimate, kind_of, work_of_a_step

MOST_JOBS = 200
MOST_OF_A_KIND = 20


def history_facts() -> dict[str, Any]:
    """The facts that follow from finished jobs, looked up once a minute."""
    return _history(settings.MACHINE_NAME, minute=int(time.monotonic() // 60))


@lru_cache(maxsize=1)
def _history(machine: str, *, minute: int) -> dict[str, Any]:
    """Newest first. What was predicted is reckoned again by today's formula, from what was known at submit and ran."""
    memory: dict[str, list[list[int]]] = defaultdict(list)
    pace: dict[str, list[list[float]]] = defaultdict(list)
    done = Job.objects.filter(machine=machine, state=State.SUCCEEDED, result__has_key="measured")
    for facts, result in done.order_by("-pk").values_list("facts", "result")[:MOST_JOBS]:
        if not is_comparable(result):
            continue
        known = {name: value for name, value in as_it_ran(facts, result).items() if name not in LEARNT}
        measured, kind = result["measured"], kind_of(known)
        predicted = estimate(known).memory_bytes
        if predicted and measured.get("memory_bytes") and len(memory[kind]) < MOST_OF_A_KIND:
            memory[kind].append([predicted, measured["memory_bytes"]])
        work = work_of_a_step(known)
        if work and measured.get("seconds_per_step") and len(pace[kind]) < MOST_OF_A_KIND:
            pace[kind].append([work, measured["seconds_per_step"]])
    return {"memory_history": dict(memory), "pace_history": dict(pace)}
