"""What an account holds beyond Django's user: its API tokens."""

from __future__ import annotations

import uuid

from django.db import models
from knox.models import AbstractAuthToken


class ApiToken(AbstractAuthToken):  # type: ignore[misc]  # the library is untyped
    """A token for programs. Only a digest is kept, so it can be shown once and never again."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False, help_text="Names it in addresses.")
    name = models.CharField(max_length=60, help_text="What it is for.")

    class Meta:
        ordering = ["-created"]
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"
