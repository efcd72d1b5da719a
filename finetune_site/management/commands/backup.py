"""`manage.py backup DIR`: the portal, copied while it works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from finetune_site.backup import FOLDERS, CannotBackUp, back_up, described


class Command(BaseCommand):
    help = "Copy database, key, datasets, runs and local models into a new folder. The portal may go on meanwhile."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="A folder that does not exist yet, best on another disk.")
        parser.add_argument("--leave-out", nargs="+", default=[], choices=FOLDERS, help="What to leave out.")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = options["folder"].absolute()
        try:
            manifest = back_up(folder, options["leave_out"])
        except CannotBackUp as reason:
            raise CommandError(str(reason)) from reason
        told = described(manifest)
        self.stdout.write(
            f"Backed up the database and {told['files']} files ({told['size']}){told['left_out']}: {folder}"
        )
