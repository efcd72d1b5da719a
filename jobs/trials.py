"""Rehearsals without a job: somebody wants to know before they start."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django_q.tasks import async_task

from finetune_site.problems import new_reference

from .leases import Kept, lease
from .models import Trial
from .rehearsals import not_rehearsed, rehearse
from .review import review
from .rulebook import Choices, read

logger = logging.getLogger(__name__)

PAUSE = 0.1
LONGEST = timedelta(minutes=10)
"""After this long a trial that nobody has taken up, or whose worker has died, is answered as not rehearsed."""


def try_out(choices: Choices, user: User) -> Trial:
    """Have some choices rehearsed. Where nothing is left to rehearse, the answer is there at once."""
    asked = review(choices, user=user)
    answer = asked.as_dict() if not asked.report.ok or asked.rehearsal else None
    plain = _plain(choices)
    under_way = Trial.objects.filter(owner=user, answer__isnull=True)
    if answer is None and (same := next((trial for trial in under_way if trial.choices == plain), None)):
        return same
    with transaction.atomic():
        trial = Trial.objects.create(owner=user, choices=plain, answer=answer)
        if answer is None:
            transaction.on_commit(lambda: enqueue(trial.pk))
    return trial


def enqueue(trial_pk: int) -> None:
    async_task(
        "jobs.trials.run", trial_pk, task_name=f"rehearse trial {trial_pk}", cluster=settings.CHECK_QUEUE, save=False
    )


def wait_for(trial: Trial, seconds: float) -> None:
    """Until it is answered, or so many seconds have passed."""
    end = time.monotonic() + seconds
    while trial.answer is None and time.monotonic() < end:
        time.sleep(PAUSE)
        trial.refresh_from_db()


def run(trial_pk: int) -> None:
    """A task of the queue of checks. For a trial that is taken or answered this does nothing."""
    waiting = Trial.objects.filter(pk=trial_pk, answer__isnull=True)
    if not waiting.filter(lease_until__isnull=True).update(lease_until=lease()):
        return
    trial = waiting.select_related("owner").get()
    choices = read(trial.choices)
    with Kept(waiting):
        try:
            answer = rehearse(choices, trial.owner).as_dict()
        except Exception as error:
            reference = new_reference()
            logger.error("Unexpected error %s in trial %s", reference, trial_pk, exc_info=error)
            answer = _without(
                choices, trial.owner, "Something went wrong on our side; the log has the rest.", reference
            )
    waiting.update(answer=answer)


def see_to_idle() -> None:
    """Give trials whose worker has died to another, and answer those that have waited too long."""
    now = timezone.now()
    unanswered = Trial.objects.filter(answer__isnull=True)
    for trial in unanswered.filter(created_at__lt=now - LONGEST).select_related("owner"):
        reason = "No worker had time for it."
        unanswered.filter(pk=trial.pk).update(answer=_without(read(trial.choices), trial.owner, reason))
    for trial in unanswered.filter(lease_until__lt=now):
        if unanswered.filter(pk=trial.pk, lease_until=trial.lease_until).update(lease_until=None):
            enqueue(trial.pk)


def _without(choices: Choices, user: User, reason: str, reference: str = "") -> dict[str, object]:
    return review(choices, user=user).with_rehearsal(not_rehearsed(reason, reference=reference)).as_dict()


def _plain(choices: Choices) -> dict[str, object]:
    """The given values as JSON holds them. Unreadable ones are no matter: the report has refused them."""
    return {path: list(each) if isinstance(each, tuple) else each for path, each in choices.values.items()}
