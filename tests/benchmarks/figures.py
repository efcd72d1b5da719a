"""The one line of JSON that a benchmark prints."""

from __future__ import annotations

import json
from statistics import median


def show(name: str, ours: list[float], baseline: list[float], *, goal: float) -> bool:
    """Print seconds of ours and of the baseline with their ratio; answers whether the goal holds."""
    ratio = median(ours) / median(baseline)
    measured = {
        "ours": median(ours),
        "baseline": median(baseline),
        "ratio": ratio,
        "p50": median(ours),
        "p95": max(ours),
    }
    rounded = {each: round(value, 3) for each, value in measured.items()}
    print(json.dumps({"name": name, **rounded, "unit": "s", "goal": goal, "holds": ratio <= goal}))
    return ratio <= goal
