"""What the commands of a service have in common: refused in one sentence, told when ready, stopped in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from .portal import Part, Portal
from .readiness import CannotServe


class ServiceCommand(ABC, BaseCommand):
    requires_migrations_checks = False

    @abstractmethod
    def parts(self, options: dict[str, Any]) -> Sequence[Part]:
        """What the service is made of."""

    @abstractmethod
    def ready(self, parts: Sequence[Part]) -> str:
        """The sentence on the terminal once it works."""

    def handle(self, *args: Any, **options: Any) -> None:
        parts = self.parts(options)
        try:
            with Portal(parts, say=self.stderr.write).serving() as portal:
                if not portal.stopping:
                    self.stdout.write(self.ready(parts))
                    self.stdout.flush()
                portal.run()
        except CannotServe as reason:
            raise CommandError(str(reason)) from reason


def add_address(parser: CommandParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 for every network.")
    parser.add_argument("--port", type=int, default=8000, help="0 picks a free one.")


def add_drain(parser: CommandParser) -> None:
    parser.add_argument(
        "--drain",
        type=float,
        default=0,
        metavar="SECONDS",
        help="When it is stopped, stop the trainings too, each at a checkpoint, and wait so long for them: for "
        "containers, where nothing lives on. The next start goes on with them.",
    )
