"""How the learning rate goes over a run, in words, as transformers' schedules compute it."""

from __future__ import annotations

import math

from .words import count, number

_FALLS = {
    "linear": "linear from {rate} to 0 over {rest}",
    "cosine": "along a cosine from {rate} to 0 over {rest}",
    "cosine_with_restarts": "along a cosine from {rate} to 0 over {rest}",
    "polynomial": "linear from {rate} to 1e-07 over {rest}",
    "constant_with_warmup": "{rate} for {rest}",
    "inverse_sqrt": "from {rate} with the inverse square root of the steps, for {rest}",
}
"""By default cosine_with_restarts restarts once, that is never, and polynomial has the power 1."""


def warming(warmup_steps: float, steps: int) -> int:
    """Steps of warm-up: a share of all below 1, else a number."""
    return int(warmup_steps) if warmup_steps >= 1 else math.ceil(warmup_steps * steps)


def schedule_in_words(scheduler: str, rate: float, warmup_steps: float, steps: int) -> str:
    """`warm up over 3 steps, then linear from 0.0002 to 0 over 297 steps`."""
    if scheduler == "constant":
        return f"{number(rate)} for all {count(steps, 'step')}"
    warm = min(warming(warmup_steps, steps), steps)
    fall = _FALLS[scheduler].format(rate=number(rate), rest=count(steps - warm, "step"))
    return f"warm up over {count(warm, 'step')}, then {fall}"
