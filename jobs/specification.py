"""A job specification in a file, as the commands take it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError

from datasets_app.models import Dataset

from .rulebook import Choices, read

UNREADABLE = 2
"""Exit code of a command that was given no specification at all."""


def asked_for(file: Path, user: str | None) -> tuple[Choices, User | None]:
    """What the file asks for, and whose job it would be: that of the account named, or of the dataset's owner."""
    choices = read(_specification(file))
    return choices, _named(user) if user else _owner_of(choices)


def _specification(file: Path) -> dict[str, Any]:
    try:
        spec = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.", returncode=UNREADABLE) from None
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{file} is not JSON: {error}.", returncode=UNREADABLE) from None
    if not isinstance(spec, dict):
        raise CommandError(f"{file} must hold one JSON object.", returncode=UNREADABLE)
    return spec


def _named(user: str) -> User:
    try:
        return User.objects.get(username=user)
    except User.DoesNotExist:
        raise CommandError(f"There is no account named {user!r}.", returncode=UNREADABLE) from None


def _owner_of(choices: Choices) -> User | None:
    """Whose dataset it is; nobody when there is no such dataset, which the report says."""
    given = str(choices.values.get("data.dataset", ""))
    dataset = Dataset.objects.filter(pk=given).select_related("owner").first() if given.isdecimal() else None
    return dataset.owner if dataset else None
