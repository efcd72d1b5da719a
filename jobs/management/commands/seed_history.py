"""Fills an empty database with a made-up history, for measuring."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.seeding import History


class Command(BaseCommand):
    help = "Fill a database without jobs with a made-up history, to measure pages and queries at that size."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--jobs", type=int, default=10_000, help="How many jobs.")
        parser.add_argument("--metrics", type=int, default=500_000, help="About how many points their curves have.")

    def handle(self, *, jobs: int, metrics: int, **options: Any) -> None:
        if jobs < 1 or metrics < 0:
            raise CommandError("There must be at least one job, and no fewer than no points.")
        try:
            History(jobs, metrics, self.stdout.write).write()
        except ValueError as error:
            raise CommandError(str(error)) from error
