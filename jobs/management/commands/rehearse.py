"""Rehearses a job specification from the command line, with the same answer as the API."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.checking import run
from jobs.rehearsals import rehearse
from jobs.review import review
from jobs.specification import UNREADABLE, asked_for


class Command(BaseCommand):
    help = (
        "Check a job specification, rehearse it with the real trainer on a stand-in, and print both as JSON; exit "
        "with 1 when the job would not start, with 2 when there is no JSON."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", help="A job specification in JSON.")
        parser.add_argument("--user", help="Whose job it would be. Default: the owner of its dataset.")
        parser.add_argument(
            "--on-unrehearsed",
            choices=("refuse", "start"),
            default="refuse",
            help="Whether a job that cannot be rehearsed would start.",
        )
        parser.add_argument(
            "--job", type=int, help="Instead: rehearse this job, which is being checked. For the portal."
        )

    def handle(self, *, file: Path | None, user: str | None, job: int | None, **options: Any) -> None:
        if job is not None:
            run(job)
        elif file is None:
            raise CommandError("Name a file with a job specification.", returncode=UNREADABLE)
        else:
            self._rehearse(file, user, may_start_unrehearsed=options["on_unrehearsed"] == "start")

    def _rehearse(self, file: Path, user: str | None, *, may_start_unrehearsed: bool) -> None:
        choices, owner = asked_for(file, user)
        asked = rehearse(choices, owner) if owner else review(choices, user=None)
        self.stdout.write(json.dumps(asked.as_dict(), indent=2, ensure_ascii=False))
        if not asked.report.ok or (asked.not_rehearsed and not may_start_unrehearsed):
            sys.exit(1)
