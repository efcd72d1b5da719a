"""Uploaded datasets: what is in the file, as far as it has been read."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Format(models.TextChoices):
    """What a row holds; the names are part of the public contract."""

    MESSAGES = "messages", "Chat (messages)"
    TEXT = "text", "Text"
    PREFERENCE = "preference", "Preference (prompt, chosen, rejected)"
    PROMPT_COMPLETION = "prompt_completion", "Prompt and completion"
    UNKNOWN = "unknown", "Unknown"


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
    format = models.CharField(max_length=20, choices=Format, default=Format.UNKNOWN)
    conversational = models.BooleanField(default=False, help_text="Rows are lists of messages rather than plain strings.")
    columns = models.JSONField(default=list)
    rows = models.PositiveBigIntegerField(default=0, help_text="Rows in the file, good and bad.")
    bad_rows = models.PositiveBigIntegerField(default=0)
    stats = models.JSONField(default=dict)
    problems = models.JSONField(default=list, help_text="The first hundred: line, code, message.")
    preview = models.JSONField(default=list, help_text="The first five good rows.")
    error = models.JSONField(null=True, help_text="Why reading failed: a finding.")
    converted_from = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="conversions")
    conversion = models.CharField(max_length=20, blank=True, help_text="Format it was converted to.")

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="dataset_names_are_unique_per_owner"),
            models.CheckConstraint(condition=Q(bad_rows__lte=F("rows")), name="bad_rows_within_rows"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        """Where its bytes lie. Made from the id alone, so no name from a request reaches the file system."""
        return Path(settings.DATASETS_DIR) / f"{self.pk}.data"

    @property
    def usable_rows(self) -> int:
        return self.rows - self.bad_rows
