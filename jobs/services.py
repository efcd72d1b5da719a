"""What can be done with a job: verbs, each one transaction. Every change of state goes through `move`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.tasks import async_task

from datasets_app.models import Dataset
from models_catalog import catalogue

from .machine import gpu_count
from .models import ENDED, ON_A_MACHINE, Job, State, Transition
from .review import Review, choices_of, review
from .rulebook import Choices, Report

LEASE = timedelta(seconds=20)
"""How long a job may go without a sign of life from its supervisor."""


class Refused(Exception):
    """The report blocks the job, or has warnings that nobody confirmed."""

    def __init__(self, report: Report) -> None:
        super().__init__("; ".join(finding.message for finding in (*report.errors, *report.warnings)))
        self.report = report


class HasEnded(Exception):
    """The job has ended, so nothing can be done with it any more."""


def submit(
    *, choices: Choices, user: User, confirmed: bool, retry_of: Job | None = None, by: User | None = None
) -> Job:
    """Queue a job of `user`; `by` is who asks, if that is somebody else. Raises Refused.

    The row of the owner is locked first, so that two submits at once are counted one after the other.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        asked = review(choices, user=user)
        if not asked.report.ok or (asked.report.warnings and not confirmed):
            raise Refused(asked.report)
        job = _create(asked, owner=user, by=by or user, retry_of=retry_of)
        transaction.on_commit(ring)
    return job


def _create(asked: Review, *, owner: User, by: User, retry_of: Job | None) -> Job:
    warned = bool(asked.report.warnings)
    dataset = Dataset.objects.visible_to(owner).get(pk=asked.facts["dataset"])
    name = asked.facts.get("job_name") or _default_name(asked.facts["model"], dataset)
    job = Job.objects.create(
        owner=owner,
        name=name,
        spec=asked.choices.changed({"name": name}).spec(),
        facts=asked.plain_facts(),
        findings=asked.report.as_dict()["findings"],
        confirmed_by=by if warned else None,
        confirmed_at=timezone.now() if warned else None,
        base_model=catalogue.find(asked.facts["model"]),
        dataset=dataset,
        retry_of=retry_of,
    )
    reason = f"Retry of job {retry_of.pk}." if retry_of else ""
    Transition.objects.create(job=job, to_state=job.state, by=by, reason=reason)
    return job


def _default_name(model: str, dataset: Dataset) -> str:
    """Such as “SmolLM2-135M-Instruct on support chats”."""
    short = model.rpartition("/")[2]
    return f"{short} on {dataset.name}"[:120]


def retry(*, job: Job, by: User) -> Job:
    """Queue the same choices again for the same owner, checked as they would be today.

    Warnings that were confirmed for `job` stay confirmed; a new one raises Refused, as an error does.
    """
    choices = choices_of(job)
    known = {(finding["code"], finding["field"]) for finding in job.findings}
    warnings = review(choices, user=job.owner).report.warnings
    confirmed = all((finding.code, finding.field) in known for finding in warnings)
    return submit(choices=choices, user=job.owner, confirmed=confirmed, retry_of=job, by=by)


def cancel(*, job: Job, by: User) -> Job:
    """Cancel a waiting job at once; ask the supervisor of one on a machine to stop it. Raises HasEnded."""
    with transaction.atomic():
        job.refresh_from_db()
        waiting = job.state in (State.QUEUED, State.CHECKING)
        if waiting and move(job, State.CANCELLED, by=by, reason="Cancelled before it started."):
            return job
        asked = Job.objects.filter(pk=job.pk, state__in=ON_A_MACHINE).update(cancel_requested=True)
    job.refresh_from_db()
    if not asked:
        raise HasEnded(job.get_state_display())
    return job


def claim(machine: str) -> Job | None:
    """Take the oldest queued job for a free place on this machine, or None. Of two that try, one gets it."""
    taken = Job.objects.filter(machine=machine, state__in=ON_A_MACHINE).values_list("slot", flat=True)
    free = sorted(set(range(max(1, gpu_count()))) - set(taken))
    if not free:
        return None
    for job in Job.objects.filter(state=State.QUEUED).order_by("created_at", "pk")[:10]:
        if _take(job, machine, free[0]):
            return job
    return None


def _take(job: Job, machine: str, slot: int) -> bool:
    try:
        return move(
            job,
            State.PREPARING,
            reason=f"Claimed by {machine}.",
            attempt=job.attempt + 1,
            machine=machine,
            slot=slot,
            lease_until=timezone.now() + LEASE,
            started_at=timezone.now(),
        )
    except IntegrityError:  # another claim took the place in the meantime; the database lets one job in
        return False


def record(job: Job, **changes: Any) -> bool:
    """Write how an attempt goes and renew its lease; False when the job is no longer this attempt's."""
    ours = Job.objects.filter(pk=job.pk, attempt=job.attempt, state__in=ON_A_MACHINE)
    return bool(ours.update(lease_until=timezone.now() + LEASE, **changes))


def move(job: Job, to: State, *, reason: str = "", by: User | None = None, **changes: Any) -> bool:
    """Change the state of a job if it still is as `job` says, and write it down; False when it is not.

    State and attempt stand in the WHERE of one UPDATE, so of two who try only one succeeds.
    """
    if to in ENDED:
        changes = {"finished_at": timezone.now(), "progress": {}, **changes}
    was = job.state
    with transaction.atomic():
        same = Job.objects.filter(pk=job.pk, state=was, attempt=job.attempt)
        if not same.update(state=to, **changes):
            return False
        attempt = changes.get("attempt", job.attempt)
        Transition.objects.create(job=job, from_state=was, to_state=to, attempt=attempt, reason=reason[:300], by=by)
    for name, value in {"state": to, **changes}.items():
        setattr(job, name, value)
    return True


def ring() -> None:
    """Wake the training queue of this machine. A ring that is lost does no harm: another follows."""
    async_task("jobs.supervisor.tick", cluster=settings.TRAIN_QUEUE, save=False)
