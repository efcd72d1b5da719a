"""What can be done with a job: verbs, each one transaction. Every change of state goes through `move`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.tasks import async_task

from datasets_app.models import Dataset
from models_catalog import catalogue
from models_catalog.looks import look_now_or_soon

from . import nodes
from .earlier import earlier_job, has_weights
from .models import (
    ACTIVE,
    ENDED,
    ON_A_MACHINE,
    Attempt,
    Job,
    OnUnrehearsed,
    OnWarning,
    Outcome,
    Place,
    State,
    Transition,
)
from .partial import partial_result
from .rehearsed import NOT_POSSIBLE, not_possible
from .review import Review, choices_of, counted_now, review
from .rulebook import Choices, Report, Severity
from .run_folder import RunFolder

OUTCOMES = {
    State.SUCCEEDED: Outcome.SUCCEEDED,
    State.FAILED: Outcome.FAILED,
    State.CANCELLED: Outcome.CANCELLED,
    State.PAUSED: Outcome.PAUSED,
    State.QUEUED: Outcome.GIVEN_BACK,
    State.REFUSED: Outcome.REFUSED,
}
"""What became of an attempt, by the state in which its job left the machine, where nothing more is known."""
LEASE = timedelta(seconds=20)
"""How long a job may go without a sign of life from its supervisor."""


class Refused(Exception):
    """The report blocks the job, or has warnings that nobody confirmed."""

    def __init__(self, report: Report) -> None:
        super().__init__("; ".join(finding.message for finding in (*report.errors, *report.warnings)))
        self.report = report


class HasEnded(Exception):
    """The job has ended, so nothing can be done with it any more."""


class NotNow(Exception):
    """The job is in no state for this; the words say why, and what to do."""


class NotAllowed(Exception):
    """Only staff may do this."""


def submit(
    *,
    choices: Choices,
    user: User,
    confirmed: bool,
    on_warning: str = OnWarning.ACCEPT,
    on_unrehearsed: str = OnUnrehearsed.REFUSE,
    retry_of: Job | None = None,
    continued_from: Job | None = None,
    by: User | None = None,
) -> Job:
    """Accept a job of `user`, to be rehearsed first; `by` is who asks, if that is somebody else. Raises Refused.

    What was rehearsed before is queued at once. `on_warning` and `on_unrehearsed` say what becomes of the job when
    its rehearsal brings new warnings to light, or cannot be held.

    The row of the owner is locked before his jobs are counted, so that two submits at once are counted one after the
    other. All that looks at files comes before: on SQLite nobody else can write during the transaction.
    """
    _look_into_model(choices)
    asked = review(choices, user=user)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        asked = counted_now(asked, user)
        if against := _what_stands_against(asked, confirmed, on_unrehearsed):
            raise Refused(against)
        try:
            job = _create(
                accepted(asked),
                owner=user,
                by=by or user,
                retry_of=retry_of,
                continued_from=continued_from,
                on_warning=on_warning,
                on_unrehearsed=on_unrehearsed,
            )
        except Dataset.DoesNotExist as gone:  # since the review
            raise Refused(review(choices, user=user).report) from gone
        transaction.on_commit(ring if asked.rehearsal else partial(enqueue_check, job.pk))
    return job


def _look_into_model(choices: Choices) -> None:
    """Before the transaction, which would keep others from writing meanwhile."""
    model = catalogue.find(choices.values.get("model.name", ""))
    if model is not None:
        look_now_or_soon(model, choices.values.get("model.revision"))


def _what_stands_against(asked: Review, confirmed: bool, on_unrehearsed: str) -> Report | None:
    """The report that refuses the job, or None."""
    report = asked.report
    if asked.not_rehearsed and on_unrehearsed == OnUnrehearsed.REFUSE:
        return report.with_findings([not_possible(asked.not_rehearsed, Severity.ERROR)])
    return report if not report.ok or (report.warnings and not confirmed) else None


def accepted(asked: Review) -> Review:
    """The review of a job that goes on. That it could not be rehearsed is among its warnings from then on."""
    if asked.not_rehearsed is None:
        return asked
    return replace(asked, report=asked.report.with_findings([not_possible(asked.not_rehearsed, Severity.WARNING)]))


def confirmation(asked: Review, by: User) -> dict[str, Any]:
    """Who has accepted the warnings, if there are any."""
    return {"confirmed_by": by, "confirmed_at": timezone.now()} if asked.report.warnings else {}


def said_of(asked: Review) -> str:
    """What a rehearsal says about a job that goes on, in a few words."""
    if asked.not_rehearsed:
        return f"Not rehearsed: {(asked.not_rehearsed.document or {}).get('reason', '')}"
    return "Rehearsed: it works."


def _create(
    asked: Review, *, owner: User, by: User, retry_of: Job | None, continued_from: Job | None, **policy: str
) -> Job:
    dataset = Dataset.objects.visible_to(owner).get(pk=asked.facts["dataset"])
    if start := asked.facts.get("start_from"):
        continued_from = earlier_job(start, owner)
    name = asked.facts.get("job_name") or _default_name(asked.facts["model"], dataset)
    job = Job.objects.create(
        owner=owner,
        name=name,
        state=State.QUEUED if asked.rehearsal else State.CHECKING,
        spec=asked.choices.changed({"name": name}).spec(),
        facts=asked.plain_facts(),
        findings=asked.report.as_dict()["findings"],
        rehearsal=asked.rehearsal,
        base_model=catalogue.find(asked.facts["model"]),
        dataset=dataset,
        processes=asked.choices.effective.get("training.num_processes", 1),
        retry_of=retry_of,
        continued_from=continued_from,
        progress={} if asked.rehearsal else {"text": "Waiting for its rehearsal"},
        **policy,
        **confirmation(asked, by),
    )
    reasons = [
        f"Retry of job {retry_of.pk}." if retry_of else "",
        goes_on_from(job, continued_from) if continued_from else "",
        said_of(asked) if asked.rehearsal else "",
    ]
    reason = " ".join(filter(None, reasons))
    Transition.objects.create(job=job, to_state=job.state, by=by, reason=reason[:300])
    return job


def _default_name(model: str, dataset: Dataset) -> str:
    """Such as “SmolLM2-135M-Instruct on support chats”."""
    short = model.rpartition("/")[2]
    return f"{short} on {dataset.name}"[:120]


def retry(*, job: Job, by: User, anyway: bool = False) -> Job:
    """Start the same choices again for the same owner, checked as they would be today.

    Warnings that were confirmed for `job` stay confirmed; a new one raises Refused, as an error does. With `anyway`,
    what `job` was refused for is accepted: the warnings of its rehearsal, or that it cannot be rehearsed.
    """
    choices = choices_of(job)
    read = [*job.findings, *(job.result.get("findings", ()) if anyway else ())]
    unrehearsed = anyway and (job.error or {}).get("code") == NOT_POSSIBLE
    return submit(
        choices=choices,
        user=job.owner,
        confirmed=_known_warnings_only(choices, job, read),
        on_warning=OnWarning.ACCEPT if anyway and not unrehearsed else job.on_warning,
        on_unrehearsed=OnUnrehearsed.START if unrehearsed else job.on_unrehearsed,
        retry_of=job,
        by=by,
    )


def _known_warnings_only(choices: Choices, job: Job, findings: Sequence[Mapping[str, Any]]) -> bool:
    """Whether these choices bring no warning that was not among the findings which the owner of `job` has read."""
    read = {(finding["code"], finding["field"]) for finding in findings}
    warnings = review(choices, user=job.owner).report.warnings
    return all((finding.code, finding.field) in read for finding in warnings)


def continue_(*, job: Job, by: User, epochs: float, confirmed: bool = False) -> Job:
    """Start a new job that trains the weights of an ended one for so many epochs more. Raises NotNow and Refused.

    Warnings that were confirmed for `job` stay confirmed; `confirmed` says that new ones have been read too.

    Optimizer and learning rate begin anew: the schedule of the ended job has come to its end.
    """
    if job.is_active:
        raise NotNow("This job has not ended yet. Continue it when it has.")
    if not has_weights(job):
        raise NotNow("This job has left no weights to go on from. Retry it instead, which starts from the beginning.")
    name = f"{job.name[:108]}, continued"
    further = {"training.start_from": job.pk, "training.num_epochs": epochs, "training.max_steps": None, "name": name}
    choices = choices_of(job).changed(further)
    return submit(
        choices=choices,
        user=job.owner,
        confirmed=confirmed or _known_warnings_only(choices, job, job.findings),
        on_warning=job.on_warning,
        on_unrehearsed=job.on_unrehearsed,
        continued_from=job,
        by=by,
    )


def goes_on_from(job: Job, earlier: Job) -> str:
    """What a job that continues an earlier one does, with its learning rate, in a sentence."""
    training = job.spec["training"]
    schedule = str(training["lr_scheduler_type"]).replace("_", " ")
    return (
        f"Goes on from the weights of job {earlier.pk} for {training['num_epochs']:g} epochs. The learning rate starts "
        f"again at {training['learning_rate']:g} and follows a new {schedule} schedule; so does the optimizer."
    )


def cancel(*, job: Job, by: User) -> Job:
    """Cancel a waiting or paused job at once; have one on a machine stopped. Raises HasEnded.

    What a job that was on a machine before has learnt by its last checkpoint is kept.
    """
    with transaction.atomic():
        _hold(job)
        if job.state in ENDED:
            raise HasEnded(job.get_state_display())
        if job.state in ON_A_MACHINE:
            _wish(job, cancel_requested=True)
        else:
            _cancel_now(job, by)
    return job


def _hold(job: Job) -> None:
    """Look at the row anew, and let nobody change it before the end of the transaction."""
    job.refresh_from_db(from_queryset=Job.objects.select_for_update(of=("self",)))


def _wish(job: Job, **wish: bool) -> None:
    """What the shim is to see to."""
    Job.objects.filter(pk=job.pk).update(**wish)
    for name, value in wish.items():
        setattr(job, name, value)


def _cancel_now(job: Job, by: User) -> bool:
    reason = "Cancelled while it waited." if job.attempt else "Cancelled before it started."
    kept = {"result": {**job.result, **partial_result(job)}} if job.attempt else {}
    return move(job, State.CANCELLED, by=by, reason=reason, **kept)


def pause(*, job: Job, by: User) -> Job:
    """Take a job from the queue, or have it stopped at a checkpoint; it keeps its place. Raises HasEnded and NotNow."""
    with transaction.atomic():
        _hold(job)
        if job.state in ENDED:
            raise HasEnded(job.get_state_display())
        if job.state == State.CHECKING:
            raise NotNow("This job is being rehearsed, which takes no GPU. Pause it once it waits in the queue.")
        if job.cancel_requested:
            raise NotNow("This job is being cancelled, so it cannot be paused any more.")
        if job.state in ON_A_MACHINE:
            _wish(job, pause_requested=True)
        elif job.state == State.QUEUED:
            move(job, State.PAUSED, by=by, reason="Paused while it waited.")
    return job


def resume(*, job: Job, by: User) -> Job:
    """Let a paused job wait for its turn again, at the place it had; or take back the wish to pause one that runs.

    Raises HasEnded and NotNow.
    """
    with transaction.atomic():
        _hold(job)
        if job.state in ENDED:
            raise HasEnded(job.get_state_display())
        if job.state == State.PAUSED:
            reason = f"Resumed; goes on from step {job.step}." if job.step else "Resumed."
            move(job, State.QUEUED, by=by, reason=reason, crashes=0, not_before=None)
            transaction.on_commit(ring)
        elif job.state in ON_A_MACHINE and job.pause_requested:
            _wish(job, pause_requested=False)
        else:
            raise NotNow("This job is not paused, so there is nothing to resume.")
    return job


def cancel_waiting(*, by: User) -> list[int]:
    """Cancel all jobs of `by` that wait, and tell which. One that starts in the meantime is left alone."""
    with transaction.atomic():
        waiting = Job.objects.filter(owner=by, state__in=(State.QUEUED, State.CHECKING))
        return [job.pk for job in waiting if _cancel_now(job, by)]


def set_priority(*, job: Job, by: User, priority: int) -> Job:
    """Let a job go before or after others. Everybody may put an own one behind; only staff put one before others.

    Raises NotAllowed and HasEnded.
    """
    if priority > max(0, job.priority) and not by.is_staff:
        raise NotAllowed
    changed = Job.objects.filter(pk=job.pk, state__in=ACTIVE).update(priority=priority)
    job.refresh_from_db()
    if not changed:
        raise HasEnded(job.get_state_display())
    return job


def claim(job: Job, machine: str, slots: Sequence[int]) -> bool:
    """Take a queued job for these places of a machine; False when somebody has taken it, or one of them, before.

    The database alone decides that: by the state in the UPDATE, and by its constraint on places.
    """
    now = timezone.now()
    here: dict[str, Any] = {"machine": machine, "lease_until": now + LEASE, "not_before": None}
    here["started_at"] = job.started_at or now
    try:
        with transaction.atomic():
            if not move(job, State.PREPARING, reason=f"Claimed by {machine}.", attempt=job.attempt + 1, **here):
                return False
            Place.objects.bulk_create(Place(machine=machine, slot=slot, job=job) for slot in slots)
            Attempt.objects.create(job=job, number=job.attempt, machine=machine, slots=list(slots), started_at=now)
    except IntegrityError:
        job.refresh_from_db()
        return False
    return True


def record(job: Job, **changes: Any) -> bool:
    """Write how an attempt goes and renew its lease; False when the job is no longer this attempt's."""
    ours = Job.objects.filter(pk=job.pk, attempt=job.attempt, state__in=ON_A_MACHINE)
    return bool(ours.update(lease_until=timezone.now() + LEASE, **changes))


def move(
    job: Job,
    to: State,
    *,
    reason: str = "",
    by: User | None = None,
    ended: Mapping[str, Any] | None = None,
    **changes: Any,
) -> bool:
    """Change the state of a job if it still is as `job` says, and write it down; False when it is not.

    State and attempt stand in the WHERE of one UPDATE, so of two who try only one succeeds. A job that leaves a
    machine gives back its places in the same transaction, and its attempt ends: with `ended`, what is known of that.
    """
    was, now = job.state, timezone.now()
    if to in ENDED:
        changes = {"finished_at": now, "progress": {}, **changes}
    if to not in ON_A_MACHINE:
        changes = {"pause_requested": False, "lease_until": None, **changes}
    with transaction.atomic():
        same = Job.objects.filter(pk=job.pk, state=was, attempt=job.attempt)
        if not same.update(state=to, **changes):
            return False
        if was in ON_A_MACHINE and to not in ON_A_MACHINE:
            Place.objects.filter(job=job).delete()
            end = {"ended_at": now, "outcome": OUTCOMES[to], **(ended or {})}
            Attempt.objects.filter(job=job, number=job.attempt).update(**end)
        attempt = changes.get("attempt", job.attempt)
        Transition.objects.create(job=job, from_state=was, to_state=to, attempt=attempt, reason=reason[:300], by=by)
        if attempt:
            told = {"from": was, "to": to, "attempt": attempt, "reason": reason}
            transaction.on_commit(lambda: RunFolder(job.run_dir).journal.note("moved", **told))
    for name, value in {"state": to, **changes}.items():
        setattr(job, name, value)
    return True


def enqueue_check(job_pk: int) -> None:
    """Have a job rehearsed. A task that is lost does no harm: the next tick finds the job waiting."""
    async_task(
        "jobs.checking.run", job_pk, task_name=f"rehearse job {job_pk}", cluster=settings.CHECK_QUEUE, save=False
    )


def ring() -> None:
    """Wake the machines that train. A ring that is lost does no harm: another follows."""
    for queue in nodes.train_queues():
        async_task("jobs.supervisor.tick", cluster=queue, save=False)
