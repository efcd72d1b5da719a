"""Checks a job specification from the command line, with the same answer as the API."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from datasets_app.models import Dataset
from jobs.review import review
from jobs.rulebook import Choices, read

UNREADABLE = 2


class Command(BaseCommand):
    help = "Print the report on a job specification as JSON; exit with 1 when it blocks, with 2 when it is no JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="A job specification in JSON.")
        parser.add_argument("--user", help="Whose job it would be. Default: the owner of its dataset.")

    def handle(self, *, file: Path, user: str | None, **options: Any) -> None:
        choices = read(_specification(file))
        answer = review(choices, user=_named(user) if user else _owner(choices)).as_dict()
        self.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False))
        if not answer["ok"]:
            sys.exit(1)


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


def _owner(choices: Choices) -> User | None:
    """Whose dataset it is; nobody when there is no such dataset, which the report says."""
    given = str(choices.values.get("data.dataset", ""))
    dataset = Dataset.objects.filter(pk=given).select_related("owner").first() if given.isdecimal() else None
    return dataset.owner if dataset else None
