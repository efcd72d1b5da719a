"""Runs one attempt at a job: the shim. Started by the engine; of no use by hand."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.database_away import keep_trying
from jobs.engines.local import LocalEngine
from jobs.models import Job, State
from jobs.shim import Shim


class Command(BaseCommand):
    help = "Run one attempt at a job: review it again, prepare, train, and write down how it ended."
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", type=int)
        parser.add_argument("attempt", type=int)
        parser.add_argument("--locks", type=int, nargs="+", required=True, help="Descriptors: the job's, its GPUs'.")

    def handle(self, *, job: int, attempt: int, locks: list[int], **options: Any) -> None:
        _forget_inherited_signals()
        waiting = Job.objects.filter(pk=job, attempt=attempt, state=State.PREPARING)
        related = waiting.select_related("owner", "base_model", "dataset", "continued_from")
        claimed = keep_trying(related.first)
        if claimed is None:
            raise CommandError(f"Job {job} is not waiting for attempt {attempt}.")
        Shim(claimed, locks, LocalEngine()).run()


def _forget_inherited_signals() -> None:
    """Ignored signals survive exec: with SIGCHLD ignored, a killed trainer would look as if it had ended well."""
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
