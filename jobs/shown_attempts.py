"""The attempts of a job as people read them: where, from which step to which, how long, and why each ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import Http404
from django.utils import timezone

from .models import Attempt, Job, Outcome
from .run_folder import RunFolder
from .shown_state import silent_since, where
from .tables import duration

WORDS = {
    Outcome.RUNNING: "Going on",
    Outcome.SUCCEEDED: "Finished",
    Outcome.FAILED: "Failed",
    Outcome.CANCELLED: "Cancelled",
    Outcome.PAUSED: "Paused",
    Outcome.GIVEN_BACK: "Given back",
    Outcome.CRASHED: "Crashed",
    Outcome.LOST: "Lost",
    Outcome.REFUSED: "Refused at the start",
}
TONES = {
    Outcome.RUNNING: "is-live",
    Outcome.SUCCEEDED: "is-good",
    Outcome.FAILED: "is-bad",
    Outcome.REFUSED: "is-bad",
    Outcome.CRASHED: "is-warn",
    Outcome.LOST: "is-warn",
}
WITHOUT_ERROR = {
    Outcome.GIVEN_BACK: "The machine was stopped, so the job went back to the queue with its checkpoints.",
    Outcome.CRASHED: "The training ended without a word. Its log has the last lines.",
    Outcome.LOST: "Its machine was not heard of any more.",
}


@dataclass(frozen=True)
class ShownAttempt:
    """`first_step` is the step it went on from, 0 for the beginning; steps are None where none was taken."""

    number: int
    machine: str
    slots: list[int]
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    title: str
    tone: str
    why: str
    exit_code: int | None
    first_step: int | None
    last_step: int | None
    has_log: bool

    @property
    def where(self) -> str:
        return where(self.machine, self.slots)

    @property
    def steps(self) -> str:
        if self.last_step is None:
            return "no step"
        return f"step {self.first_step or 0} to {self.last_step}"

    @property
    def took(self) -> str:
        return duration(((self.ended_at or timezone.now()) - self.started_at).total_seconds())


def shown_attempts(job: Job) -> list[ShownAttempt]:
    """The first one first."""
    return [_shown(attempt, job) for attempt in job.attempts.all()]


def resumed_at(job: Job) -> list[int]:
    """Steps at which a later attempt took the training up again."""
    steps = job.attempts.filter(number__gt=1, first_step__gt=0).values_list("first_step", flat=True)
    return sorted({step for step in steps if step is not None})


def attempt_folder(job: Job, given: str | None) -> RunFolder:
    """The folder of one attempt by its number as it was asked for; that of the latest without one."""
    if given is None or given == "":
        return RunFolder(job.run_dir)
    if not (given.isascii() and given.isdecimal() and len(given) < 8 and 1 <= int(given) <= job.attempt):
        raise Http404
    return RunFolder(Path(settings.RUNS_DIR) / str(job.pk) / str(int(given)))


def _shown(attempt: Attempt, job: Job) -> ShownAttempt:
    outcome, silent = Outcome(attempt.outcome), silent_since(job)
    running = outcome == Outcome.RUNNING
    error: dict[str, Any] = attempt.error or {}
    last = job.step or None if running and attempt.last_step is None else attempt.last_step
    first = attempt.first_step if attempt.first_step is not None or last is None else 0
    return ShownAttempt(
        number=attempt.number,
        machine=attempt.machine,
        slots=attempt.slots,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        outcome=attempt.outcome,
        title="Not heard of" if running and silent else WORDS[outcome],
        tone="is-warn" if running and silent else TONES.get(outcome, ""),
        why=error.get("message", "") or WITHOUT_ERROR.get(outcome, ""),
        exit_code=attempt.exit_code,
        first_step=first,
        last_step=last,
        has_log=attempt_folder(job, str(attempt.number)).log_file.exists() if attempt.number <= job.attempt else False,
    )
