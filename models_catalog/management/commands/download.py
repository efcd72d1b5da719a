"""`manage.py download`: fetch one model from the hub. Started by the ticks; not meant to be called by hand."""

from __future__ import annotations

import logging
import os
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from huggingface_hub.utils.tqdm import disable_progress_bars

from models_catalog.download_ticks import work


class Command(BaseCommand):
    help = "Fetch the model of a download. The portal starts this itself."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("download", type=int)
        parser.add_argument("--lock", type=int, required=True, help="Descriptor of the lock that it inherits.")

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal of the portal
        disable_progress_bars()
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        logging.getLogger("httpx2").setLevel(logging.WARNING)  # it writes down addresses, which may hold secrets
        work(options["download"], options["lock"])
        os._exit(0)  # threads may still wait for a hub that nobody waits for
