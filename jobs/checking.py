"""Jobs that are being checked: rehearsed by a task of the queue of checks, then queued for training or refused.

The row says how it stands, so a task may be lost, repeated or doubled: `revive` gives what lies idle to another.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django_q.models import OrmQ

from finetune_site.environment import ROOT
from finetune_site.problems import new_reference

from .leases import Kept, lease
from .models import Job, OnUnrehearsed, OnWarning, Rehearsal, State
from .rehearsals import not_rehearsed, rehearse
from .rehearsed import not_possible
from .review import Review, choices_of, review
from .rulebook import Finding, Severity
from .services import accepted, confirmation, enqueue_check, move, ring, said_of

logger = logging.getLogger(__name__)

WORKERS = 2  # of the queue of checks, as in settings.Q_CLUSTER
MOST_TRIES = 3
"""Workers that may die over a job before it is given up."""
OVERDUE = timedelta(seconds=10)
"""After this long without a worker, a job's task may have been lost."""
UNATTENDED = timedelta(seconds=45)
"""After this long without any worker, the queue is busy with long tasks, or nobody serves it."""
DIED = f"The process that rehearsed it ended before its time, {MOST_TRIES} times in a row."


def run(job_pk: int) -> None:
    """Rehearse a job that waits for it, then queue or refuse it. For any other this does nothing."""
    job = _claim(job_pk)
    if job is None:
        return
    with Kept(_still_checked(job)):
        asked = _rehearsed(job)
    settle(job, asked)


def _claim(job_pk: int) -> Job | None:
    waiting = Job.objects.filter(pk=job_pk, state=State.CHECKING, lease_until__isnull=True)
    taken = waiting.update(
        lease_until=lease(), rehearsal_tries=F("rehearsal_tries") + 1, progress={"text": "Being rehearsed"}
    )
    return Job.objects.select_related("owner", "dataset", "base_model").get(pk=job_pk) if taken else None


def _still_checked(job: Job) -> QuerySet[Job]:
    return Job.objects.filter(pk=job.pk, state=State.CHECKING)


def _rehearsed(job: Job) -> Review:
    try:
        return rehearse(choices_of(job), job.owner, job=job)
    except Exception as error:
        reference = new_reference()
        logger.error("Unexpected error %s while job %s was rehearsed", reference, job.pk, exc_info=error)
        return _without(
            job, not_rehearsed("Something went wrong on our side; the log has the rest.", reference=reference)
        )


def _without(job: Job, rehearsal: Rehearsal) -> Review:
    """What the rules say to a job whose rehearsal did not take place."""
    return review(choices_of(job), user=job.owner, job=job).with_rehearsal(rehearsal)


def settle(job: Job, asked: Review) -> None:
    """Queue or refuse a job, as its report and its author's choices say. Nothing happens to one that was cancelled."""
    if against := _what_stands_against(job, asked):
        _refuse(job, asked, against)
    else:
        _queue(job, asked)


def _what_stands_against(job: Job, asked: Review) -> Finding | None:
    if asked.report.errors:
        return asked.report.errors[0]
    if asked.not_rehearsed and job.on_unrehearsed == OnUnrehearsed.REFUSE:
        return not_possible(asked.not_rehearsed, Severity.ERROR)
    unread = _unread_warnings(job, asked)
    return unread[0] if unread and job.on_warning == OnWarning.REFUSE else None


def _unread_warnings(job: Job, asked: Review) -> list[Finding]:
    """Warnings that came to light after the job was submitted."""
    read = {(finding["code"], finding["field"]) for finding in job.findings}
    return [finding for finding in asked.report.warnings if (finding.code, finding.field) not in read]


def _refuse(job: Job, asked: Review, against: Finding) -> None:
    """`error` is what stands against it, which may be a warning that nobody has confirmed."""
    findings = asked.report.as_dict()["findings"]
    move(
        job,
        State.REFUSED,
        reason=against.message,
        error=against.as_dict(),
        result={"findings": findings},
        rehearsal=asked.rehearsal,
        lease_until=None,
    )


def _queue(job: Job, asked: Review) -> None:
    """With the settings and facts as they are known now that the model was looked into."""
    asked = accepted(asked)
    with transaction.atomic():
        move(
            job,
            State.QUEUED,
            reason=said_of(asked),
            spec=asked.choices.changed({"name": job.name}).spec(),
            facts=asked.plain_facts(),
            findings=asked.report.as_dict()["findings"],
            rehearsal=asked.rehearsal,
            lease_until=None,
            progress={},
            **({} if job.confirmed_at else confirmation(asked, job.owner)),
        )
        transaction.on_commit(ring)


# What lies idle


def revive() -> None:
    """Give jobs whose worker has died, or whose task was lost, to another. Called again and again."""
    now = timezone.now()
    for job in Job.objects.filter(state=State.CHECKING, lease_until__lt=now).select_related("owner"):
        _take_from_the_dead(job)
    idle = Job.objects.filter(state=State.CHECKING, lease_until__isnull=True).order_by("created_at")
    if idle.filter(created_at__lt=now - UNATTENDED).exists() and not _anybody_works():
        _launch(idle[0])
    elif not _tasks_wait():
        for job in idle.filter(created_at__lt=now - OVERDUE)[:WORKERS]:
            enqueue_check(job.pk)


def _take_from_the_dead(job: Job) -> None:
    logger.warning("Job %s: whoever rehearsed it has died", job.pk)
    if job.rehearsal_tries >= MOST_TRIES:
        settle(job, _without(job, not_rehearsed(DIED)))
        return
    freed = Job.objects.filter(pk=job.pk, state=State.CHECKING, lease_until=job.lease_until)
    if freed.update(lease_until=None):
        enqueue_check(job.pk)


def _anybody_works() -> bool:
    return Job.objects.filter(state=State.CHECKING, lease_until__gte=timezone.now()).exists()


def _tasks_wait() -> bool:
    """Whether tasks wait for a worker, a job's own perhaps among them. Those taken by one are locked for long."""
    return bool(OrmQ.objects.filter(key=settings.CHECK_QUEUE, lock__lt=timezone.now()).exists())


def _launch(job: Job) -> None:
    """Rehearse it in a process of its own, as nobody's child: the queue of checks does not come to it."""
    logger.warning("Job %s: no worker has time for it, so it gets a process of its own", job.pk)
    command = [sys.executable, str(ROOT / "manage.py"), "rehearse", "--job", str(job.pk)]
    with (settings.LOGS_DIR / "rehearsals.log").open("ab") as log:
        subprocess.run(  # noqa: S603 - our own interpreter and file; a number is all that varies
            ["/bin/sh", "-c", '"$@" &', "sh", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            check=True,
        )
