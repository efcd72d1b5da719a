"""`manage.py node`: the queues of this machine, without the web server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from finetune_site.portal.command import ServiceCommand, add_drain
from finetune_site.portal.node_part import NodePart
from finetune_site.portal.portal import Part
from finetune_site.portal.presence import identity
from jobs.nodes import live


class Command(ServiceCommand):
    help = "Run the queues of this machine: trainings and light tasks. Ctrl-C stops it; trainings go on."

    def add_arguments(self, parser: CommandParser) -> None:
        add_drain(parser)
        parser.add_argument("--check", action="store_true", help="Only say whether the node of this home lives.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            self._check()
        else:
            super().handle(*args, **options)

    def _check(self) -> None:
        """For whoever watches a container: ends with 1 when no sign of life came for a minute."""
        if not any(node.machine_id == identity() for node in live()):
            raise CommandError(f"No node service of the home {settings.HOME} was heard of for a minute.")
        self.stdout.write(f"The node {settings.MACHINE_NAME} lives.")

    def parts(self, options: dict[str, Any]) -> Sequence[Part]:
        return [NodePart(options["drain"])]

    def ready(self, parts: Sequence[Part]) -> str:
        return f"Foretune's node {settings.MACHINE_NAME} is ready  (Ctrl-C stops it; trainings go on)"
