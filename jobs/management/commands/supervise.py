"""Runs one attempt at a job. Started by the training queue; of no use by hand."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.attempt import Attempt
from jobs.models import Job, State
from jobs.run_folder import RunFolder, hold


class Command(BaseCommand):
    help = "Run one attempt at a job: review it again, prepare, train, and write down how it ended."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", type=int)
        parser.add_argument("attempt", type=int)
        parser.add_argument("--lock", type=int, help="Descriptor of the run folder's lock, if the starter holds it.")

    def handle(self, *, job: int, attempt: int, lock: int | None, **options: Any) -> None:
        _forget_inherited_signals()
        waiting = Job.objects.filter(pk=job, attempt=attempt, state=State.PREPARING)
        claimed = waiting.select_related("owner", "base_model", "dataset").first()
        if claimed is None:
            raise CommandError(f"Job {job} is not waiting for attempt {attempt}.")
        held = lock if lock is not None else hold(RunFolder(claimed.run_dir))
        if held is None:
            raise CommandError(f"Attempt {attempt} of job {job} is running already.")
        Attempt(claimed, held).run()


def _forget_inherited_signals() -> None:
    """Ignored signals survive exec: with SIGCHLD ignored, a killed trainer would look as if it had ended well."""
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
