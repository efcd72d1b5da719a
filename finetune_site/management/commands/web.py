"""`manage.py web`: pages and API alone; a node service does the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from finetune_site.portal.command import ServiceCommand, add_address
from finetune_site.portal.portal import Part
from finetune_site.portal.web_part import WebPart


class Command(ServiceCommand):
    help = "Run the web server of the portal alone. Trainings and light tasks want `manage.py node` beside it."

    def add_arguments(self, parser: CommandParser) -> None:
        add_address(parser)

    def parts(self, options: dict[str, Any]) -> Sequence[Part]:
        self.web = WebPart(options["host"], options["port"])
        return [self.web]

    def ready(self, parts: Sequence[Part]) -> str:
        return f"Foretune's pages are ready: {self.web.address}  (Ctrl-C stops them; the node goes on)"
