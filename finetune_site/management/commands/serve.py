"""`manage.py serve`: the whole portal as one command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from finetune_site.portal.command import ServiceCommand, add_address, add_drain
from finetune_site.portal.node_part import NodePart
from finetune_site.portal.portal import Part
from finetune_site.portal.web_part import WebPart


class Command(ServiceCommand):
    help = "Run the portal: web pages, light tasks and trainings. Ctrl-C stops it; trainings go on."

    def add_arguments(self, parser: CommandParser) -> None:
        add_address(parser)
        add_drain(parser)

    def parts(self, options: dict[str, Any]) -> Sequence[Part]:
        self.web = WebPart(options["host"], options["port"])
        return [self.web, NodePart(options["drain"])]

    def ready(self, parts: Sequence[Part]) -> str:
        return f"Foretune is ready: {self.web.address}  (Ctrl-C stops it; trainings go on)"
