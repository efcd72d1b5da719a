"""What the portal knows about models before it has seen one: families, and base models of each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import humanize
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from .local_folders import wrong_folder
from .validators import validate_model_name, validate_names, validate_patterns


class ModelFamily(models.Model):
    """Architectures that share module names: LoRA targets, chat flag and limits to assume for a model of it."""

    name = models.CharField(max_length=60, unique=True)
    model_types = models.JSONField(
        default=list, validators=[validate_names], blank=True, help_text="Values of model_type in config.json."
    )
    name_patterns = models.JSONField(
        default=list,
        validators=[validate_patterns],
        blank=True,
        help_text="Regular expressions searched in a model's name, case ignored.",
    )
    lora_targets = models.JSONField(
        default=list, validators=[validate_names], help_text="Recommended LoRA target modules."
    )
    lora_modules = models.JSONField(
        default=list,
        validators=[validate_names],
        blank=True,
        help_text="All modules that can carry LoRA; empty when not known.",
    )
    expert_modules = models.JSONField(
        default=list,
        validators=[validate_names],
        blank=True,
        help_text="Modules that are 3-D expert parameters (mixture of experts).",
    )
    supports_chat = models.BooleanField(default=False, help_text="Its models usually carry a chat template.")
    position_table = models.BooleanField(
        default=False, help_text="Positions come from a learned table: rows past its end crash."
    )
    supports_checkpointing = models.BooleanField(default=True, help_text="Can do gradient checkpointing.")
    packing_leaks = models.BooleanField(default=False, help_text="Packed rows see their neighbours.")
    untrainable = models.CharField(max_length=300, blank=True, help_text="Why TRL cannot train it; empty when it can.")
    notes = models.TextField(blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "model families"
        constraints = [models.CheckConstraint(condition=Q(name__gt=""), name="family_has_a_name")]

    def __str__(self) -> str:
        return self.name


class BaseModel(models.Model):
    """One model that can be fine-tuned: a repository of the hub, or a folder that staff registered."""

    class Source(models.TextChoices):
        HUB = "hub", "Hub"
        LOCAL = "local", "Local folder"

    name = models.CharField(
        max_length=200,
        unique=True,
        validators=[validate_model_name],
        help_text="Hub id (owner/name), or the name of a local model.",
    )
    source = models.CharField(max_length=5, choices=Source, default=Source.HUB)
    path = models.CharField(
        max_length=500, blank=True, help_text="Folder of a local model, under one of FORETUNE_LOCAL_ROOTS."
    )
    family = models.ForeignKey(ModelFamily, on_delete=models.PROTECT, related_name="base_models")
    parameters = models.BigIntegerField(null=True, blank=True)
    size_bytes = models.BigIntegerField(null=True, blank=True, help_text="Bytes to download.")
    context_length = models.PositiveIntegerField(null=True, blank=True)
    supports_chat = models.BooleanField(null=True, blank=True, help_text="Empty: as its family.")
    gated = models.BooleanField(default=False, help_text="The hub asks for an accepted licence and a token.")
    licence = models.CharField(max_length=60, blank=True)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(name__gt=""), name="model_has_a_name"),
            models.CheckConstraint(
                condition=Q(source="local", path__gt="") | Q(source="hub", path=""), name="local_models_have_a_path"
            ),
            models.CheckConstraint(
                condition=Q(parameters__isnull=True) | Q(parameters__gt=0), name="parameters_are_positive"
            ),
            models.CheckConstraint(condition=Q(size_bytes__isnull=True) | Q(size_bytes__gt=0), name="size_is_positive"),
            models.CheckConstraint(
                condition=Q(context_length__isnull=True) | Q(context_length__gt=0), name="context_is_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("models:detail", args=[self.pk])

    def clean(self) -> None:
        """The admin and imports use the same door as the API: no path leads out of the roots."""
        if self.source == self.Source.HUB and self.path:
            raise ValidationError({"path": "A model of the hub has no folder. Leave it empty, or change the source."})
        wrong = wrong_folder(self.path) if self.source == self.Source.LOCAL else []
        if wrong:
            raise ValidationError({"path": [finding.message for finding in wrong]})


QUIET = timedelta(seconds=20)
"""A process that fetches writes twice a second; starting one on a busy machine takes this long."""


class Download(models.Model):
    """The fetching of a model's files from the hub: one for each model and revision, however many ask for it.

    The row says how it stands; the process that fetches holds the kernel's lock on the model, so that its death shows.
    """

    class State(models.TextChoices):
        """Waiting is for the network, the hub or the disk to recover: it goes on by itself at `not_before`."""

        QUEUED = "queued"
        RUNNING = "running"
        WAITING = "waiting"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    ACTIVE = (State.QUEUED, State.RUNNING, State.WAITING)
    BROKEN_OFF = (State.FAILED, State.CANCELLED)

    model = models.ForeignKey(BaseModel, on_delete=models.CASCADE, related_name="downloads")
    revision = models.CharField(max_length=200, blank=True, help_text="Empty: the main one.")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    machine = models.CharField(max_length=200, blank=True, help_text="Where it runs, or ran last.")
    bytes_done = models.BigIntegerField(default=0)
    bytes_total = models.BigIntegerField(null=True)
    bytes_found = models.BigIntegerField(default=0, help_text="What had arrived when it last went on.")
    bytes_reserved = models.BigIntegerField(default=0, help_text="What it will still take of the disk.")
    bytes_per_second = models.BigIntegerField(null=True)
    tries = models.PositiveSmallIntegerField(default=0, help_text="Failures in a row that brought nothing.")
    not_before = models.DateTimeField(null=True, help_text="When one that waits is tried again.")
    cancel_requested = models.BooleanField(default=False)
    drop_partial = models.BooleanField(default=False, help_text="Delete what has arrived when it is cancelled.")
    error = models.JSONField(null=True, help_text="A finding.")
    created_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(auto_now=True, help_text="Last sign of life.")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running", "waiting", "done", "failed", "cancelled"]),
                name="download_state_is_known",
            ),
            models.UniqueConstraint(
                fields=["model", "revision"],
                condition=Q(state__in=["queued", "running", "waiting"]),
                name="one_download_per_revision",
            ),
            models.CheckConstraint(
                condition=Q(bytes_total__isnull=True) | Q(bytes_done__lte=F("bytes_total")), name="done_within_total"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} ({self.state})"

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE

    @property
    def percent(self) -> int:
        return 100 * self.bytes_done // self.bytes_total if self.bytes_total else 0

    @property
    def text(self) -> str:
        """How far it is: "412 MB of 2.9 GB, 21 MB a second, about 3 minutes left"."""
        if self.state == self.State.QUEUED:
            return "Waiting to begin"
        if self.state == self.State.RUNNING and self.cancel_requested:
            return "Being cancelled"
        return self._waiting if self.state == self.State.WAITING else self._how_far

    @property
    def _waiting(self) -> str:
        """ "412 MB of 2.9 GB, goes on in 5 minutes"."""
        seconds = (self.not_before - timezone.now()).total_seconds() if self.not_before else 0
        when = f"in {humanize.naturaldelta(timedelta(seconds=seconds))}" if seconds > 1 else "at once"
        return f"{self._how_far}, goes on {when}" if self.bytes_done else f"Goes on {when}"

    @property
    def _how_far(self) -> str:
        done = size(self.bytes_done)
        parts = [f"{done} of {size(self.bytes_total)}" if self.bytes_total else done]
        if self.silent_for:
            parts.append(f"nothing was heard of it for {humanize.naturaldelta(self.silent_for)}")
        elif self.state == self.State.RUNNING and self.bytes_per_second:
            parts.append(f"{size(self.bytes_per_second)} a second")
        if self.time_left:
            parts.append(f"about {humanize.naturaldelta(self.time_left)} left")
        return ", ".join(parts)

    @property
    def silent_for(self) -> timedelta | None:
        """Since its process has said anything, if that is longer than a living one is silent."""
        silent = timezone.now() - self.touched_at if self.touched_at else timedelta()
        return silent if self.state == self.State.RUNNING and silent > QUIET else None

    @property
    def time_left(self) -> timedelta | None:
        """From its present speed; None while nothing arrives and after the end."""
        if self.state != self.State.RUNNING or self.silent_for or not (self.bytes_per_second and self.bytes_total):
            return None
        return timedelta(seconds=max(0, self.bytes_total - self.bytes_done) / self.bytes_per_second)

    @property
    def progress(self) -> dict[str, Any]:
        """The same as the row of a job that waits for it says it."""
        left = self.time_left
        return {
            "text": f"Downloading model… {self.text[:1].lower()}{self.text[1:]}",
            "fraction": self.bytes_done / self.bytes_total if self.bytes_total else None,
            "eta_seconds": round(left.total_seconds()) if left else None,
        }


def size(number: int) -> str:
    """Bytes with a digit behind the point where that says something."""
    return humanize.naturalsize(number, format="%.1f" if number >= 10**9 else "%.0f")


class Inspection(models.Model):
    """What a model's small files tell, whichever model they are of. `key` stands for the files, libraries and code."""

    key = models.CharField(max_length=64, unique=True)
    document = models.JSONField(help_text="As models_catalog/inspection/inspect.py describes it.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.key[:12]


class Look(models.Model):
    """The latest try to look into a model: its small files fetched from the hub, then inspected."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    ACTIVE = (State.QUEUED, State.RUNNING)

    model = models.ForeignKey(BaseModel, on_delete=models.CASCADE, related_name="looks")
    revision = models.CharField(max_length=200, blank=True, help_text="Empty: the main one.")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    key = models.CharField(max_length=64, blank=True, help_text="Of the files that could not be inspected.")
    error = models.JSONField(null=True, help_text="A finding.")
    created_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-touched_at"]
        constraints = [
            models.UniqueConstraint(fields=["model", "revision"], name="one_look_per_revision"),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running", "done", "failed"]), name="look_state_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} ({self.state})"

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE
