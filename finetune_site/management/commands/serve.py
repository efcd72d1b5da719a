"""`manage.py serve`: the whole portal as one command."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from finetune_site.portal.portal import Portal
from finetune_site.portal.readiness import CannotServe


class Command(BaseCommand):
    help = "Run the portal: web pages, light tasks and trainings. Ctrl-C stops it; trainings go on."
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 for every network.")
        parser.add_argument("--port", type=int, default=8000, help="0 picks a free one.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with Portal(options["host"], options["port"], say=self.stderr.write).serving() as portal:
                if not portal.stopping:
                    self.stdout.write(f"Foretune is ready: {portal.address}  (Ctrl-C stops it; trainings go on)")
                    self.stdout.flush()
                portal.run()
        except CannotServe as reason:
            raise CommandError(str(reason)) from reason
