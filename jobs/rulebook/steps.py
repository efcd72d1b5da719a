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
    num_processes: int = 1,
) -> int | None:
    """Optimizer steps of the whole run, counted as transformers' Trainer does: each process takes its own batch.

    None when it cannot be known before the rows are tokenised (packing), or there is nothing to count.
    """
    if max_steps is not None and max_steps > 0 and usable > 0:
        return max_steps
    if packing or usable < 1 or min(batch_size, gradient_accumulation, num_processes) < 1 or num_epochs <= 0:
        return None
    batches = math.ceil((usable - held_out(usable, eval_fraction)) / (batch_size * num_processes))
    return math.ceil(num_epochs * math.ceil(batches / gradient_accumulation))


def smaller_batch(batch_size: int, gradient_accumulation: int) -> tuple[int, int]:
    """Half the batch and double the accumulation; of an odd batch the next smaller part that divides it.

    The rows of a step stay the same. `batch_size` is more than 1.
    """
    batch = parts_of(batch_size)[0]
    return batch, gradient_accumulation * (batch_size // batch)


LARGEST_PART = 65_536


def parts_of(batch_size: int) -> list[int]:
    """Smaller batches of which a whole number makes this one, the largest first; none that no memory holds."""
    return [size for size in range(min(batch_size // 2, LARGEST_PART), 0, -1) if batch_size % size == 0]
