"""What was predicted for a job beside what its run measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import humanize

from .models import Job, State
from .rulebook.estimate import Estimate, estimate

SMALLER_BATCH = "trainer.smaller-batch"
RESUMED = "Resumed at step"
"""How a note begins that a later attempt has taken the training up."""
LEARNT = ("memory_history", "pace_history")


def as_it_ran(facts: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """What was known at submit, with the batch that was trained where the one asked for found no memory."""
    measured = result.get("measured", {})
    ran = {name: measured[name] for name in ("batch_size", "gradient_accumulation") if measured.get(name)}
    return {**facts, **ran}


def is_comparable(result: Mapping[str, Any]) -> bool:
    """Runs of before the trainer told its batch are not, if they went on with another one."""
    measured = result.get("measured", {})
    return "batch_size" in measured or not _went_on_smaller(result)


def predicted(facts: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """The amounts of an estimate that a run measures as well; what could not be reckoned is None."""
    told: Estimate = estimate(as_it_ran(facts, result))
    return {
        "memory_bytes": told.memory_bytes,
        "tokens_per_step": told.tokens_per_step,
        "seconds_per_step": told.seconds / told.steps if told.seconds and told.steps else None,
        "seconds": told.seconds,
    }


@dataclass(frozen=True)
class Compared:
    """One amount, predicted and measured, in words; `off` is how far the prediction was above what was measured."""

    name: str
    predicted: str
    measured: str
    off: str


def compared(job: Job) -> list[Compared]:
    """What can be held against each other, once the run has ended."""
    told, measured = job.result.get("predicted", {}), job.result.get("measured", {})
    return [row for name, key, key_measured, words in _AMOUNTS
            if (row := _row(name, told.get(key), measured.get(key_measured), words))]  # fmt: skip


def retried(job: Job) -> str:
    """What is said about a run that found no memory at first, or nothing."""
    again = State.RUNNING, State.RUNNING
    told = (each["message"] for each in _findings(job.result) if each["code"] == SMALLER_BATCH)
    noted = (each.reason for each in job.transitions.all() if (each.from_state, each.to_state) == again)
    return next(chain(told, (reason for reason in noted if not reason.startswith(RESUMED))), "")


def _went_on_smaller(result: Mapping[str, Any]) -> bool:
    return any(finding["code"] == SMALLER_BATCH for finding in _findings(result))


def _findings(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from result.get("findings", ())


def _row(name: str, told: float | None, measured: float | None, words: Callable[[float], str]) -> Compared | None:
    if not measured:
        return None
    off = f"{told / measured - 1:+.0%}" if told else ""
    return Compared(name, words(told) if told else "not known", words(measured), off.replace("-", "−"))


def _seconds(amount: float) -> str:
    if amount < 90:
        return f"{amount:.2g} s" if amount < 10 else f"{amount:.0f} s"
    return str(humanize.naturaldelta(amount))


_AMOUNTS: tuple[tuple[str, str, str, Callable[[float], str]], ...] = (
    ("Memory", "memory_bytes", "memory_bytes", humanize.naturalsize),
    ("Tokens a step", "tokens_per_step", "tokens_per_step", lambda amount: str(humanize.intcomma(round(amount)))),
    ("A step", "seconds_per_step", "seconds_per_step", _seconds),
    ("Training", "seconds", "train_seconds", _seconds),
)
