"""`manage.py restore DIR`: a backup, put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from finetune_site.backup import CannotBackUp, described, restore


class Command(BaseCommand):
    help = "Put a backup back into the home and the database of this installation. Stop the portal first."
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="What `manage.py backup` has made.")
        parser.add_argument("--replace", action="store_true", help="Replace a database that is not empty.")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = options["folder"].absolute()
        try:
            manifest = restore(folder, options["replace"])
        except CannotBackUp as reason:
            raise CommandError(str(reason)) from reason
        told = described(manifest)
        self.stdout.write(
            f"Restored the database and {told['files']} files ({told['size']}){told['left_out']}, as of "
            f"{manifest.made_at}. The next start brings the database up to date."
        )
