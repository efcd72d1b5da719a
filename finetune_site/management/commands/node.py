"""`manage.py node`: the queues of this machine, without the web server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from finetune_site.portal.command import ServiceCommand, add_drain
from finetune_site.portal.node_part import NodePart
from finetune_site.portal.portal import Part


class Command(ServiceCommand):
    help = "Run the queues of this machine: trainings and light tasks. Ctrl-C stops it; trainings go on."

    def add_arguments(self, parser: CommandParser) -> None:
        add_drain(parser)

    def parts(self, options: dict[str, Any]) -> Sequence[Part]:
        return [NodePart(options["drain"])]

    def ready(self, parts: Sequence[Part]) -> str:
        return f"Foretune's node {settings.MACHINE_NAME} is ready  (Ctrl-C stops it; trainings go on)"
