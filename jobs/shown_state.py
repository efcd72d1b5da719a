"""The state of a job as people read it: never "training" when nothing was heard of the training."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.timezone import localtime

from .machine import gpu_count
from .models import ON_A_MACHINE, Job, State
from .services import LEASE

TONES = {
    State.SUCCEEDED: "is-good",
    State.FAILED: "is-bad",
    State.REFUSED: "is-bad",
    State.CHECKING: "is-live",
    State.PREPARING: "is-live",
    State.RUNNING: "is-live",
    State.PAUSED: "is-still",
}

PRIORITIES = {10: "first of all", 1: "before others", 0: "normal", -1: "after others", -10: "last of all"}


def silent_since(job: Job) -> datetime | None:
    """When a job on a machine was last heard of, if that is longer ago than a healthy one is ever silent."""
    if job.state not in ON_A_MACHINE or job.lease_until is None or job.lease_until > timezone.now():
        return None
    return job.lease_until - LEASE


def is_rehearsed_now(job: Job) -> bool:
    """Whether somebody is at its rehearsal; else it waits for that."""
    return job.state == State.CHECKING and job.lease_until is not None and job.lease_until > timezone.now()


def state_words(job: Job) -> str:
    """Such as "Queued", "Training", "Cancelling", "Not heard of"."""
    if silent_since(job):
        return "Not heard of"
    if job.is_active and job.cancel_requested:
        return "Cancelling"
    if job.state in ON_A_MACHINE and job.pause_requested:
        return "Pausing"
    return str(job.get_state_display())


def state_tone(job: Job) -> str:
    """The class of its badge."""
    if job.state == State.CHECKING and not is_rehearsed_now(job):
        return ""
    return "is-warn" if silent_since(job) else TONES.get(State(job.state), "")


def share_done(job: Job) -> float:
    """Steps done of all, from 0 to 1."""
    return min(1.0, job.step / job.total_steps) if job.total_steps else 0.0


def can_continue(job: Job) -> bool:
    """Whether it has left weights that a further job can go on from."""
    return not job.is_active and bool(job.result.get("artifacts"))


def priorities(job: Job, by: User) -> list[tuple[int, str]]:
    """What `by` may set as the priority of a job, in words."""
    words = {value: text for value, text in PRIORITIES.items() if by.is_staff or value <= max(0, job.priority)}
    return sorted((words | {job.priority: PRIORITIES.get(job.priority, str(job.priority))}).items(), reverse=True)


def where(machine: str, slots: Sequence[int]) -> str:
    """Such as "gpu7, GPU 0 and 1"; the places of a machine without GPUs are nobody's business."""
    return f"{machine}, GPU {' and '.join(map(str, slots))}" if slots and gpu_count() else machine


def standing(job: Job) -> str:
    """In a few words, for a card of the job."""
    if silent := silent_since(job):
        return f"Not heard of since {localtime(silent):%H:%M:%S}"
    if job.state == State.CHECKING:
        return "Being rehearsed" if is_rehearsed_now(job) else "Waiting to be rehearsed"
    if job.state == State.PAUSED:
        return f"Paused at step {job.step}" if job.step else "Paused before it started"
    if job.state == State.QUEUED:
        return f"Waits to go on from step {job.step}" if job.step else "Waiting for its turn"
    if job.total_steps:
        loss = job.metrics.get("loss")
        return f"Step {job.step} of {job.total_steps}" + (f" · loss {loss:.3f}" if loss else "")
    return str(job.progress.get("text") or job.get_state_display())
