"""Uploaded datasets: what is in the file, as far as it has been read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from .reading import located_rows

STALLED_AFTER = timedelta(minutes=5)


class Format(models.TextChoices):
    """What a row holds; the names are part of the public contract."""

    MESSAGES = "messages", "Chat (messages)"
    TEXT = "text", "Text"
    PREFERENCE = "preference", "Preference (prompt, chosen, rejected)"
    PROMPT_COMPLETION = "prompt_completion", "Prompt and completion"
    UNPAIRED_PREFERENCE = "unpaired_preference", "Answers judged good or bad"
    UNKNOWN = "unknown", "Unknown"


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> DatasetQuerySet:
        """Everybody sees their own datasets only; staff are no exception."""
        return self.filter(owner_id=user.pk)

    def reading(self) -> DatasetQuerySet:
        return self.filter(status=Dataset.Status.READING)

    def stalled(self) -> DatasetQuerySet:
        """Those whose reader has said nothing for so long that it must have died."""
        return self.reading().filter(touched_at__lt=timezone.now() - STALLED_AFTER)


class Dataset(models.Model):
    """One uploaded file with what reading it told. The file itself is never changed."""

    class Status(models.TextChoices):
        READING = "reading"
        READY = "ready"
        FAILED = "failed"

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)
    file_name = models.CharField(max_length=200, help_text="Name of the file as it was uploaded; shown, never opened.")
    size_bytes = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.READING)
    touched_at = models.DateTimeField(default=timezone.now, help_text="When its reader last gave a sign of life.")
    read_bytes = models.BigIntegerField(default=0, help_text="How far its reader has come.")
    format = models.CharField(max_length=20, choices=Format, default=Format.UNKNOWN)
    local = models.JSONField(
        default=dict, help_text="Of a registered file: its path, size and time when it was read; empty for an upload."
    )
    container = models.JSONField(default=dict, help_text="Kind of file, compression, encoding, and notes on them.")
    layout = models.CharField(
        max_length=20, blank=True, help_text="How the file writes that format; empty when it was read before layouts."
    )
    mixture = models.JSONField(
        default=list, help_text="Where rows look different: each layout with its rows and the lines of the first."
    )
    conversational = models.BooleanField(
        default=False, help_text="Rows are lists of messages rather than plain strings."
    )
    columns = models.JSONField(default=list)
    rows = models.PositiveBigIntegerField(default=0, help_text="Rows in the file, good and bad.")
    bad_rows = models.PositiveBigIntegerField(default=0)
    stats = models.JSONField(default=dict)
    problems = models.JSONField(default=list, help_text="The first hundred: line, row, code, message.")
    preview = models.JSONField(default=list, help_text="The first five good rows, long texts cut.")
    error = models.JSONField(null=True, help_text="Why reading failed: a finding.")
    original = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="versions",
        help_text="The first version; of that one itself empty.",
    )  # fmt: skip
    version = models.PositiveIntegerField(default=1)
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children",
        help_text="The version from which it was made; empty when it was uploaded or that one was deleted.",
    )  # fmt: skip
    change = models.JSONField(default=dict, help_text="How it was made: kind and options; empty when it was uploaded.")
    report = models.JSONField(default=dict, help_text="What making it did: rows written, left out and changed.")
    notes = models.JSONField(default=list, help_text="Sentences saying what making it left out.")

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="dataset_names_are_unique_per_owner"),
            models.CheckConstraint(condition=Q(bad_rows__lte=F("rows")), name="bad_rows_within_rows"),
            models.CheckConstraint(
                condition=Q(status__in=["reading", "ready", "failed"]), name="dataset_status_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("datasets:detail", args=[self.pk])

    @property
    def path(self) -> Path:
        """Where its bytes lie, or a link to them. Made from the id alone: no name from a request gets here."""
        return Path(settings.DATASETS_DIR) / f"{self.pk}.data"

    @property
    def report_path(self) -> Path:
        """Where it is written down, line by line, what making it changed."""
        return self.path.with_suffix(".changes")

    def good_rows(self) -> Iterator[dict[str, Any]]:
        """Its usable rows with the trained columns only: the one door to them, whatever the file looks like."""
        return (row for _, row in self.located_rows())

    def located_rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The same, each with the line of the file on which it begins."""
        return located_rows(self.path, self.format, self.conversational, self.layout)

    @property
    def usable_rows(self) -> int:
        return self.rows - self.bad_rows

    @property
    def is_trainable(self) -> bool:
        return self.is_convertible and self.format != Format.UNPAIRED_PREFERENCE

    @property
    def is_convertible(self) -> bool:
        return self.status == self.Status.READY and self.format != Format.UNKNOWN and self.usable_rows > 0


class ColumnMapping(models.Model):
    """Which column is what, kept for files that have these columns."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="column_mappings")
    name = models.CharField(max_length=80)
    created_at = models.DateTimeField(auto_now_add=True)
    columns = models.JSONField(help_text="Each column that is used, with its purpose; in their order.")
    system = models.TextField(blank=True, help_text="A system prompt that all rows get.")
    chat = models.BooleanField(default=True, help_text="Prompts and answers are written as turns.")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="mapping_names_are_unique_per_owner"),
        ]

    def __str__(self) -> str:
        return self.name


class TellingRows(models.Model):
    """The few rows of a dataset on which a rehearsal is most likely to stumble. Chosen once, when first asked for."""

    dataset = models.OneToOneField(Dataset, on_delete=models.CASCADE, related_name="telling_rows", primary_key=True)
    rows = models.TextField(help_text="JSON; as text, because PostgreSQL's JSON holds no NUL, which a row may.")
    digest = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"Telling rows of {self.dataset_id}"


class Accounting(models.Model):
    """What becomes of every row of a dataset with a model's tokenizer and template and the settings that matter.

    The same question is answered once; whoever asks meanwhile waits for it. Which row is which is in a file beside.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    UNDER_WAY = (State.WAITING, State.RUNNING)

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="accountings")
    model = models.ForeignKey("models_catalog.BaseModel", on_delete=models.CASCADE, related_name="+")
    revision = models.CharField(max_length=200, blank=True)
    key = models.CharField(max_length=64, unique=True, help_text="What was asked, as a digest.")
    plan = models.JSONField(help_text="The settings that matter, as in jobs.preparation.plan.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    rows_done = models.PositiveBigIntegerField(default=0)
    summary = models.JSONField(null=True, help_text="As in jobs.preparation.summary.")
    error = models.JSONField(null=True, help_text="Why there is none: a finding.")
    created_at = models.DateTimeField(auto_now_add=True)
    lease_until = models.DateTimeField(null=True, help_text="Until when whoever is at it may take.")

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "running", "done", "failed"]), name="accounting_state_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"Account of {self.dataset_id} with {self.model_id} ({self.state})"

    @property
    def path(self) -> Path:
        """Where the table of its rows lies. Made from the id alone."""
        return Path(settings.DATASETS_DIR) / f"{self.pk}.rows.npz"

    @property
    def is_under_way(self) -> bool:
        return self.state in self.UNDER_WAY


class Upload(models.Model):
    """A file that arrives piece by piece, so that it can go on after a break. It becomes a dataset when it is whole."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads")
    name = models.CharField(max_length=120, blank=True, help_text="What the dataset is to be called.")
    file_name = models.CharField(max_length=200)
    size_bytes = models.BigIntegerField(help_text="Of the whole file; so much room is kept free for it.")
    received_bytes = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of the whole file, where its sender knows it.")
    created_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(received_bytes__gte=0, received_bytes__lte=F("size_bytes")), name="upload_within_its_size"
            ),
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def path(self) -> Path:
        """Where it grows. Made from the id alone; what is left of it goes like any torn upload."""
        return Path(settings.DATASETS_DIR) / f"{self.id.hex}.part"
