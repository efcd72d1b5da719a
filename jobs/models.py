"""Training jobs: the row is the queue, and the history."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KT
from django.urls import reverse
from django.utils import timezone


class State(models.TextChoices):
    """Where a job is; the names are part of the public contract."""

    CHECKING = "checking", "Checking"
    QUEUED = "queued", "Queued"
    PREPARING = "preparing", "Preparing"
    RUNNING = "running", "Training"
    PAUSED = "paused", "Paused"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    REFUSED = "refused", "Refused"


ON_A_MACHINE = (State.PREPARING, State.RUNNING)
ACTIVE = (State.CHECKING, State.QUEUED, *ON_A_MACHINE, State.PAUSED)
ENDED = (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.REFUSED)


LISTED = ["owner", "state", "method", "base_model", "dataset", "name"]
"""What lists are narrowed by. It stands behind the order in each index of a list, so that none reads a row for it."""


def _listed(*order: str) -> list[str]:
    ordered = {name.lstrip("-") for name in order}
    return [*order, *(name for name in LISTED if name not in ordered)]


class OnWarning(models.TextChoices):
    """What becomes of a job with warnings that nobody has confirmed; part of the public contract."""

    ACCEPT = "accept", "They count as confirmed"
    REFUSE = "refuse", "Refuse the job"


class OnUnrehearsed(models.TextChoices):
    """What becomes of a job that cannot be rehearsed; part of the public contract."""

    REFUSE = "refuse", "Refuse the job"
    START = "start", "Start it all the same"


class Rehearsal(models.Model):
    """What the real trainer did on a stand-in with a few telling rows. The same question is answered once.

    `document` is as in `jobs.rehearsal.document`; it is empty while the rehearsal is under way, and `lease_until`
    says until when whoever is at it may take.
    """

    key = models.CharField(
        max_length=64,
        blank=True,
        help_text="What was asked, as a digest. Empty: the answer says nothing about next time.",
    )
    document = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    lease_until = models.DateTimeField(null=True)
    seconds = models.FloatField(null=True, help_text="How long it took, with starting a process.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=~Q(key=""), name="a_question_is_rehearsed_once"),
        ]

    def __str__(self) -> str:
        return f"Rehearsal {self.pk} ({self.state or 'under way'})"

    @property
    def state(self) -> str:
        """`passed`, `stopped`, `not_rehearsed`, or nothing while it is under way."""
        return str(self.document["state"]) if self.document else ""


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, user: User) -> JobQuerySet:
        """Staff see every job, other people their own."""
        return self if user.is_staff else self.filter(owner=user)

    def active(self) -> JobQuerySet:
        return self.filter(state__in=ACTIVE)


class Job(models.Model):
    """One fine-tuning run: what was asked, what was known then, how it goes and what came out."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="jobs", db_index=False
    )  # the three indexes that begin with owner, model and dataset stand in Meta
    name = models.CharField(max_length=120)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    spec = models.JSONField(help_text="The effective specification, as in the public contract.")
    facts = models.JSONField(
        default=dict, help_text="What was known about model, dataset, machine and account at submit."
    )
    findings = models.JSONField(default=list, help_text="The report it was accepted with.")
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Who accepted the warnings.",
    )
    confirmed_at = models.DateTimeField(null=True, blank=True)

    rehearsal = models.ForeignKey(Rehearsal, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs")
    on_warning = models.CharField(
        max_length=10,
        choices=OnWarning,
        default=OnWarning.ACCEPT,
        help_text="What to do about warnings that only the rehearsal brings to light.",
    )
    on_unrehearsed = models.CharField(max_length=10, choices=OnUnrehearsed, default=OnUnrehearsed.REFUSE)
    rehearsal_tries = models.PositiveSmallIntegerField(default=0, help_text="Workers that took up its rehearsal.")

    base_model = models.ForeignKey(
        "models_catalog.BaseModel", null=True, on_delete=models.SET_NULL, related_name="jobs", db_index=False
    )
    dataset = models.ForeignKey(
        "datasets_app.Dataset", null=True, on_delete=models.SET_NULL, related_name="jobs", db_index=False
    )
    retry_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="retries")
    continued_from = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="continuations",
        help_text="The finished job whose weights this one goes on from.",
    )

    method = models.GeneratedField(
        expression=KT("spec__training__method"),
        output_field=models.CharField(max_length=20, null=True),
        db_persist=True,
        help_text="As the specification says; beside it so that jobs can be found by it.",
    )

    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    priority = models.SmallIntegerField(default=0, help_text="The higher goes first.")
    processes = models.PositiveSmallIntegerField(default=1, help_text="GPUs it asks for, one process on each.")
    not_before = models.DateTimeField(
        null=True, blank=True, help_text="Not to be started before, while a fault of the machine may pass."
    )

    attempt = models.PositiveIntegerField(default=0, help_text="Counts claims; fences writes of earlier attempts.")
    machine = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)
    pause_requested = models.BooleanField(default=False)
    crashes = models.PositiveSmallIntegerField(default=0, help_text="Crashes in a row that brought it no further.")

    step = models.PositiveIntegerField(default=0)
    total_steps = models.PositiveIntegerField(null=True, blank=True)
    metrics = models.JSONField(default=dict, help_text="The latest of each: loss, learning_rate, …")
    progress = models.JSONField(
        default=dict, help_text="What is being done now, and the seconds left: {text, eta_seconds}."
    )
    error = models.JSONField(null=True, blank=True, help_text="Why it failed or was refused: a finding.")
    result = models.JSONField(default=dict, help_text="What came out: rows used, artifacts, versions.")

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=State.values), name="job_state_is_known"),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True) | Q(state__in=ENDED), name="only_ended_jobs_have_an_end"
            ),
        ]
        indexes = [
            models.Index(fields=_listed("owner", "-created_at", "-id"), name="job_history"),
            models.Index(fields=_listed("-created_at", "-id"), name="job_newest"),
            models.Index(fields=_listed("state", "-created_at", "-id"), name="job_states"),
            models.Index(fields=_listed("-state", "-created_at", "-id"), name="job_states_back"),
            models.Index(fields=_listed("name", "-id"), name="job_names"),
            models.Index(fields=_listed("started_at", "-id"), name="job_starts"),
            models.Index(fields=_listed("finished_at", "-id"), name="job_ends"),
            models.Index(fields=["dataset", "-created_at"], name="job_datasets"),
            models.Index(fields=["base_model", "owner"], name="job_models"),
            models.Index(fields=["machine", "-id"], condition=Q(state=State.SUCCEEDED), name="job_lessons"),
            models.Index(fields=["machine"], condition=Q(state__in=ON_A_MACHINE), name="job_on_machines"),
            models.Index(fields=["created_at"], condition=Q(state=State.QUEUED), name="job_queue"),
            models.Index(fields=["created_at"], condition=Q(state=State.CHECKING), name="job_rehearsals"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"

    def get_absolute_url(self) -> str:
        return reverse("jobs:detail", args=[self.pk])

    @property
    def run_dir(self) -> Path:
        """The folder of the current attempt. Made from ids alone."""
        return Path(settings.RUNS_DIR) / str(self.pk) / str(self.attempt)

    @property
    def slots(self) -> list[int]:
        """The GPUs it holds, by number; 0 stands for a machine without one. Empty when it is on no machine."""
        return sorted(place.slot for place in self.places.all())

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def may_start_anyway(self) -> bool:
        """It was refused for something that its owner may accept: a warning, or that it cannot be rehearsed."""
        error = self.error or {}
        return self.state == State.REFUSED and (
            error.get("severity") == "warning" or error.get("code") == "rehearsal.not-possible"
        )


class Transition(models.Model):
    """One change of a job's state, written in the same transaction as the change."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="transitions")
    from_state = models.CharField(max_length=10, blank=True)
    to_state = models.CharField(max_length=10, choices=State)
    at = models.DateTimeField(auto_now_add=True)
    attempt = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.from_state or '—'} → {self.to_state}"


class Place(models.Model):
    """A GPU that a job holds; the database itself refuses two jobs on one. Gone when the job leaves the machine."""

    machine = models.CharField(max_length=200)
    slot = models.PositiveSmallIntegerField(help_text="The number of the GPU, or 0 on a machine without one.")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="places")

    class Meta:
        ordering = ["machine", "slot"]
        constraints = [models.UniqueConstraint(fields=["machine", "slot"], name="one_job_on_a_place")]

    def __str__(self) -> str:
        return f"{self.machine}:{self.slot}"


class Outcome(models.TextChoices):
    """How an attempt ended; the names are part of the public contract."""

    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    PAUSED = "paused", "Paused"
    GIVEN_BACK = "given_back", "Given back"
    CRASHED = "crashed", "Crashed"
    LOST = "lost", "Lost"
    REFUSED = "refused", "Refused"


class Attempt(models.Model):
    """One time that a job was on a machine. Made with the claim, ended with the transition that ends it."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    machine = models.CharField(max_length=200)
    slots = models.JSONField(default=list, help_text="Numbers of the GPUs it held.")
    started_at = models.DateTimeField(default=timezone.now)
    trained_at = models.DateTimeField(null=True, blank=True, help_text="When its trainer was started.")
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.RUNNING)
    exit_code = models.IntegerField(null=True, blank=True)
    first_step = models.PositiveIntegerField(null=True, blank=True, help_text="The step it went on from, or 0.")
    last_step = models.PositiveIntegerField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True, help_text="Why it ended, if not well: a finding.")

    class Meta:
        ordering = ["job", "number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="attempts_of_a_job_are_numbered")]

    def __str__(self) -> str:
        return f"Attempt {self.number} of job {self.job_id}: {self.outcome}"


class Node(models.Model):
    """A machine that trains, as its node service tells of it."""

    name = models.CharField(max_length=200, unique=True)
    machine_id = models.CharField(max_length=64, blank=True, help_text="Tells two machines of one name apart.")
    generation = models.UUIDField(null=True, blank=True, help_text="New at each start of the node service.")
    address = models.CharField(max_length=200, blank=True)
    pid = models.PositiveIntegerField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    facts = models.JSONField(default=dict, help_text="What it has: GPUs, memory, driver, packages, disk, models.")
    draining = models.BooleanField(default=False, help_text="It starts nothing more.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Trial(models.Model):
    """A rehearsal that somebody asked for without starting a job. Done by the queue, and kept for a day."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    choices = models.JSONField(help_text="What was chosen, by dotted name.")
    answer = models.JSONField(null=True, help_text="The report and the rehearsal, when they are there.")
    created_at = models.DateTimeField(auto_now_add=True)
    lease_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Trial {self.pk}"


class MetricBatch(models.Model):
    """Points of an attempt's curves, many in one row; `jobs.metrics` writes and reads them.

    Level 0 has every point. A row of a level above stands for several of the level below, thinned, `number` counting
    the rows of each level from 0.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="metric_batches", db_index=False)
    attempt = models.PositiveIntegerField()
    level = models.PositiveSmallIntegerField()
    number = models.PositiveIntegerField()
    first_step = models.PositiveIntegerField()
    last_step = models.PositiveIntegerField()
    count = models.PositiveIntegerField()
    points = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "attempt", "level", "number"], name="a_batch_of_metrics_is_once"),
        ]

    def __str__(self) -> str:
        return f"Steps {self.first_step} to {self.last_step} of job {self.job_id}"
