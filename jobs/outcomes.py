"""What becomes of a job when an attempt has ended: told from what lies in its folder, and from how its process died.

A failure that would come again is never tried again. A death without a word is, from the last checkpoint, at most
`MOST_CRASHES` times in a row without getting further; a stop of the machine, for which the job need not be the cause,
more often. A fault of the machine waits, longer each time.
"""

from __future__ import annotations

import json
import logging
import signal
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from finetune_site.problems import Problem, new_reference

from .database_away import AWAY
from .metrics import record_all
from .models import ON_A_MACHINE, Attempt, Job, Outcome, State
from .partial import partial_result
from .predicted import predicted
from .progress import Progress
from .rulebook import Finding, Severity
from .run_folder import RunFolder
from .services import move
from .trainer.failures import finding_for

logger = logging.getLogger(__name__)

MOST_CRASHES = 3
"""Deaths without a word, one after the other, none of which came further than the attempts before."""
MOST_LOST = 10
"""The same of attempts that nobody saw the end of, because the machine or all that watched them was gone as well."""
NOT_BEGUN = "run.not-begun"
MACHINE_FAULTS = {NOT_BEGUN, "trainer.disk-full", "trainer.gpu-lost", "disk.run-too-large", "cache.disk-too-small"}
"""Codes of what may be over when one tries again later. What a download waits for says itself until when."""
MOST_FAULTS = 10
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(minutes=30)


@dataclass(frozen=True)
class Ending:
    """How the shim saw an attempt end.

    `asked`: it had told the trainer to stop. `error`: it did not come as far as training; `findings` then are the
    report that turned the job away, or `not_before` says when to try again.
    """

    exit_code: int | None = None
    asked: bool = False
    error: dict[str, Any] | None = None
    findings: list[dict[str, Any]] | None = None
    not_before: str | None = None

    @classmethod
    def of(cls, folder: RunFolder) -> Ending:
        """What lies in the folder; an empty one when no shim lived to see the end."""
        told = folder.ending() or {}
        return cls(**{field.name: told[field.name] for field in fields(cls) if field.name in told})

    def write(self, folder: RunFolder) -> None:
        """So that it is known even if the database cannot be reached before the shim dies."""
        with suppress(OSError):  # a full disk; then only this process knows
            folder.ending_file.write_text(json.dumps(asdict(self)))


def conclude(job: Job, ending: Ending | None = None, progress: Progress | None = None) -> None:
    """Write down the end of the current attempt, whoever saw it. Doing it twice, or at once, changes nothing."""
    folder = RunFolder(job.run_dir)
    end = _End(job, ending or Ending.of(folder), progress or told(job))
    with transaction.atomic():
        ours = Job.objects.filter(pk=job.pk, attempt=job.attempt, state__in=ON_A_MACHINE)
        now = ours.select_for_update().only("cancel_requested", "pause_requested").first()
        if now is not None:
            _decide(end, now, folder)


def _decide(end: _End, now: Job, folder: RunFolder) -> None:
    """`now` is the row with what people wish, which nobody can change before the transaction has ended."""
    result = folder.result()
    if result is not None and end.error is None:
        end.succeed(result)
    elif now.cancel_requested:
        end.stop(State.CANCELLED, "Stopped as asked.")
    elif end.error is not None:
        end.fail(end.error)
    elif now.pause_requested:
        end.stop(State.PAUSED, f"Paused at step {end.step}." if end.step else "Paused.")
    elif end.ending.asked:
        end.stop(State.QUEUED, f"Given back to the queue. {_goes_on(end.step)}")
    elif end.job.state == State.PREPARING and not folder.shim_pid.exists():
        end.fail(not_begun().as_dict())
    else:
        end.crash()


def conclude_anyhow(job: Job) -> None:
    """The same where nobody is left to try again: a mistake of ours must not leave a job running for ever."""
    try:
        conclude(job)
    except (*AWAY, OSError):
        raise
    except Exception as error:
        finding = explain(error).as_dict()
        move(job, State.FAILED, reason=finding["message"], error=finding, ended={"error": finding})


def postpone(job: Job, finding: Finding) -> None:
    """A fault of the machine kept an attempt from beginning: try again in a while."""
    later = timezone.now() + FIRST_PAUSE
    ended = {"outcome": Outcome.FAILED, "error": finding.as_dict()}
    reason = f"{finding.message} It is tried again by itself."
    move(job, State.QUEUED, reason=reason, ended=ended, not_before=later, progress={})


def told(job: Job) -> Progress:
    """All that the trainer of this attempt has said. Its metrics are recorded as well, should nobody have done so."""
    record_all(job)
    progress = Progress()
    for event in RunFolder(job.run_dir).all_events():
        progress.add(event)
    return progress


class _End:
    """The end of an attempt: each method is one way the job can go from there."""

    def __init__(self, job: Job, ending: Ending, progress: Progress) -> None:
        self.job, self.ending, self.progress = job, ending, progress
        self.error = ending.error or progress.failure
        self.step = progress.step or job.step

    def succeed(self, result: dict[str, Any]) -> None:
        reached = self._reached()
        came_out = {**reached["result"], **result}
        came_out["predicted"] = predicted(self.job.facts, came_out)
        self._move(State.SUCCEEDED, Outcome.SUCCEEDED, **{**reached, "result": came_out})

    def stop(self, to: State, reason: str) -> None:
        """Stopped because somebody wanted it."""
        changes: dict[str, Any] = {} if to == State.CANCELLED else {"progress": {}}
        self._move(to, None, reason=reason, **changes, **self._reached(keep_weights=to == State.CANCELLED))

    def fail(self, error: dict[str, Any]) -> None:
        """For good, unless a fault of the machine may pass."""
        if later := self._when_to_try_again(error):
            again = {"not_before": later, "progress": {}}
            reason = f"{error['message']} It is tried again by itself."
            self._move(State.QUEUED, Outcome.FAILED, error, reason=reason, **again, **self._reached())
        elif self.ending.findings:
            refused = {"error": error, "result": {**self.job.result, "findings": self.ending.findings}}
            self._move(State.REFUSED, Outcome.REFUSED, error, reason=error["message"], **refused)
        else:
            self._fail(error, Outcome.FAILED)

    def crash(self) -> None:
        """Nobody wanted it, and the trainer gave no reason."""
        finding, lost = died(self.ending.exit_code), self.ending.exit_code is None
        earlier = _Earlier.of(self.job)
        further = self.progress.step > earlier.furthest or self.progress.has_kept_more
        crashes = 0 if further else self.job.crashes + (not lost)
        times, most = (earlier.lost + 1, MOST_LOST) if lost else (crashes, MOST_CRASHES)
        outcome = Outcome.LOST if lost else Outcome.CRASHED
        if times >= most and not further:
            self._fail(gave_up(finding, times, earlier.furthest).as_dict(), outcome)
            return
        reason = f"{finding.message} {_goes_on(self.step)}"
        changes = {"crashes": crashes, "progress": {}, **self._reached()}
        self._move(State.QUEUED, outcome, finding.as_dict(), reason=reason, **changes)

    def _fail(self, error: dict[str, Any], outcome: Outcome) -> None:
        reached = self._reached(keep_weights=True)
        self._move(State.FAILED, outcome, error, reason=error["message"], **{"error": error, **reached})

    def _when_to_try_again(self, error: dict[str, Any]) -> datetime | None:
        if self.ending.not_before:
            return datetime.fromisoformat(self.ending.not_before)
        if error["code"] not in MACHINE_FAULTS:
            return None
        faults = _faults_in_a_row(self.job)
        once = error["code"] == NOT_BEGUN and not faults  # whoever started it may just have been killed
        pause = timedelta() if once else min(FIRST_PAUSE * 2**faults, LONGEST_PAUSE)
        return timezone.now() + pause if faults + 1 < MOST_FAULTS else None

    def _reached(self, *, keep_weights: bool = False) -> dict[str, Any]:
        """How far the job came, and what is known of it; with what it has learnt by its last checkpoint."""
        result = {**self.job.result, **self.progress.result}
        if keep_weights:
            result |= partial_result(self.job)
        total = self.progress.total_steps or self.job.total_steps
        metrics = self.progress.metrics or self.job.metrics
        return {"step": self.step, "total_steps": total, "metrics": metrics, "result": result}

    def _move(self, to: State, outcome: Outcome | None, why: dict[str, Any] | None = None, **changes: Any) -> None:
        """`why` is kept with the attempt; the job itself has an error only when it is not tried again."""
        ended = {"exit_code": self.ending.exit_code, "last_step": self.progress.step or None, "error": why}
        move(self.job, to, ended={**ended, **({"outcome": outcome} if outcome else {})}, **changes)


@dataclass(frozen=True)
class _Earlier:
    """The attempts before the current one: the furthest step, and how many were lost since that was reached."""

    furthest: int = 0
    lost: int = 0

    @classmethod
    def of(cls, job: Job) -> _Earlier:
        furthest = lost = 0
        before = Attempt.objects.filter(job=job, number__lt=job.attempt).order_by("number")
        for outcome, step in before.values_list("outcome", "last_step"):
            if (step or 0) > furthest:
                furthest, lost = step or 0, 0
            elif outcome == Outcome.LOST:
                lost += 1
        return cls(furthest, lost)


def _faults_in_a_row(job: Job) -> int:
    """Attempts before this one that ended for a fault of the machine, up to the last that did not."""
    errors = Attempt.objects.filter(job=job, number__lt=job.attempt).order_by("-number").values_list("error", flat=True)
    faults = 0
    for error in errors[:MOST_FAULTS]:
        if error is None or error["code"] not in MACHINE_FAULTS:
            break
        faults += 1
    return faults


def _goes_on(step: int) -> str:
    return "It goes on by itself from its last checkpoint." if step else "It is started again by itself."


def died(exit_code: int | None) -> Finding:
    """Why a trainer is gone that said nothing about it."""
    if exit_code is None:
        return _failure("run.machine-stopped", "The machine stopped, or was cut off, while this job was on it.")
    if exit_code < 0 or exit_code == 128 + signal.SIGTERM:
        name = signal.Signals(-exit_code).name if exit_code < 0 else "SIGTERM"
        return _failure(
            "run.killed",
            f"The training process was ended from outside ({name}), which mostly means that the machine ran out of "
            "memory.",
        )
    return _failure("run.ended-silently", f"The training process ended with code {exit_code} and gave no reason.")


def not_begun() -> Finding:
    """As when the installation is broken: no fault of the job, and the same for all others."""
    return _failure(
        NOT_BEGUN,
        "The process that was to run this job ended before it had begun. If that comes again, the portal may be "
        "installed wrongly on this machine: shim.log in the folder of the attempt says why.",
    )


def gave_up(finding: Finding, times: int, step: int) -> Finding:
    """The last word on a job that dies again and again at the same place."""
    where = f"any further than step {step}" if step else "as far as the first step"
    return _failure(
        finding.code,
        f"{finding.message} That happened {times} times in a row without the job getting {where}, so it is not tried "
        "again. The log of each attempt has its last lines. If memory ran out, halve the batch size; then retry it.",
    )


def explain(error: Exception) -> Finding:
    """Why an attempt failed outside its trainer. What nobody foresaw gets a reference, by which the log has it."""
    if isinstance(error, Problem) and error.findings:
        return error.findings[0]
    if known := finding_for(error, None):
        return known
    reference = new_reference()
    logger.error("Unexpected error %s around a training", reference, exc_info=error)
    return _failure(
        "run.unexpected",
        "Something went wrong on our side, before training began or after it had ended. Tell whoever runs this portal "
        f"the reference {reference}; the log has the rest.",
    )


def _failure(code: str, message: str) -> Finding:
    return Finding(code, Severity.ERROR, None, message)
