"""How an attempt ended, told from what lies in its folder and how its process died."""

from __future__ import annotations

import logging
import signal
from typing import Any

from finetune_site.problems import Problem, new_reference

from .models import Job, State
from .predicted import predicted
from .progress import Progress
from .rulebook import Finding, Severity
from .run_folder import RunFolder
from .services import move
from .trainer.failures import finding_for

logger = logging.getLogger(__name__)
MOST_ATTEMPTS = 3
"""Claims after which a job that never got as far as training is given up."""


def conclude(job: Job, *, exit_code: int | None) -> None:
    """Write down the end of an attempt. `exit_code` is None when nobody was there to see it.

    Success needs a result as well as a clean exit. A job that had not begun to train goes back to the queue
    when its machine stopped.
    """
    progress = told(job)
    result = RunFolder(job.run_dir).result()
    if result is not None and exit_code in (0, None):
        _succeed(job, progress, result)
    elif Job.objects.filter(pk=job.pk, cancel_requested=True).exists():
        move(job, State.CANCELLED, reason="Stopped as asked.", **_reached(job, progress))
    elif exit_code is None and job.state == State.PREPARING and job.attempt < MOST_ATTEMPTS:
        requeue(job, reason="The machine stopped before training began.")
    else:
        fail(job, progress.failure or died(exit_code).as_dict(), **_reached(job, progress))


def told(job: Job) -> Progress:
    """All that the trainer of this attempt has said."""
    progress = Progress()
    for event in RunFolder(job.run_dir).all_events():
        progress.add(event)
    return progress


def requeue(job: Job, *, reason: str) -> None:
    nowhere: dict[str, Any] = {"machine": "", "lease_until": None, "started_at": None, "progress": {}}
    move(job, State.QUEUED, reason=reason, **nowhere)


def fail(job: Job, error: dict[str, Any], **changes: Any) -> None:
    move(job, State.FAILED, reason=error["message"], error=error, **changes)


def _succeed(job: Job, progress: Progress, result: dict[str, Any]) -> None:
    reached = _reached(job, progress)
    came_out = {**reached["result"], **result}
    came_out["predicted"] = predicted(job.facts, came_out)
    move(job, State.SUCCEEDED, **{**reached, "result": came_out})


def _reached(job: Job, progress: Progress) -> dict[str, Any]:
    """How far the attempt came, and what is known of it."""
    return {
        "step": progress.step,
        "total_steps": progress.total_steps,
        "metrics": progress.metrics,
        "result": {**job.result, **progress.result},
    }


def died(exit_code: int | None) -> Finding:
    """Why a trainer is gone that said nothing about it."""
    if exit_code is None:
        return _failure("run.machine-stopped", "The machine stopped while this job was training. Retry the job.")
    if exit_code < 0 or exit_code == 128 + signal.SIGTERM:
        name = signal.Signals(-exit_code).name if exit_code < 0 else "SIGTERM"
        return _failure(
            "run.killed",
            f"The training process was ended from outside ({name}), which mostly means that the machine ran out of "
            "memory or was shut down. Retry the job; if it happens again, halve the batch size.",
        )
    return _failure(
        "run.ended-silently",
        f"The training process ended with code {exit_code} and gave no reason. Its log has the last lines.",
    )


def explain(error: Exception) -> Finding:
    """Why an attempt failed before its trainer ran. What nobody foresaw gets a reference, by which the log has it."""
    if isinstance(error, Problem) and error.findings:
        return error.findings[0]
    if known := finding_for(error, None):
        return known
    reference = new_reference()
    logger.error("Unexpected error %s before training", reference, exc_info=error)
    return _failure(
        "run.unexpected",
        "Something went wrong on our side before training began. Tell whoever runs this portal "
        f"the reference {reference}; the log has the rest.",
    )


def _failure(code: str, message: str) -> Finding:
    return Finding(code, Severity.ERROR, None, message)
