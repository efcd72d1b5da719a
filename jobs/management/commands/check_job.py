"""Checks a job specification from the command line, with the same answer as the API."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from jobs.review import review
from jobs.specification import asked_for


class Command(BaseCommand):
    help = "Print the report on a job specification as JSON; exit with 1 when it blocks, with 2 when it is no JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="A job specification in JSON.")
        parser.add_argument("--user", help="Whose job it would be. Default: the owner of its dataset.")

    def handle(self, *, file: Path, user: str | None, **options: Any) -> None:
        choices, owner = asked_for(file, user)
        answer = review(choices, user=owner).as_dict()
        self.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False))
        if not answer["ok"]:
            sys.exit(1)
