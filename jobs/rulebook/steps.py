"""How many rows are trained on, and how many optimizer steps that makes."""

from __future__ import annotations

import math


def held_out(usable: int, eval_fraction: float) -> int:
    """Rows kept back for evaluation: at least one if any are wished for, never all."""
    if eval_fraction <= 0 or usable < 2:
        return 0
    return min(usable - 1, max(1, round(usable * eval_fraction)))


def total_steps(
    usable: int,
    eval_fraction: float,
    batch_size: int,
    gradient_accumulation: int,
    num_epochs: float,
    max_steps: int | None = None,
    packing: bool = False,
) -> int | None:
    """Optimizer steps of the whole run, counted as transformers' Trainer does on one device.

    None when it cannot be known before the rows are tokenised (packing), or there is nothing to count.
    """
    if max_steps is not None and max_steps > 0 and usable > 0:
        return max_steps
    if packing or usable < 1 or min(batch_size, gradient_accumulation) < 1 or num_epochs <= 0:
        return None
    batches = math.ceil((usable - held_out(usable, eval_fraction)) / batch_size)
    return math.ceil(num_epochs * math.ceil(batches / gradient_accumulation))
