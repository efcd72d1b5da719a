"""`manage.py inspect_model NAME`: what is found by looking into a model, as JSON."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from finetune_site.problems import Problem
from jobs.warm.client import Unanswered
from models_catalog.catalogue import find, similar
from models_catalog.looks import look_into


class Command(BaseCommand):
    help = "Look into a model without its weights and print what is found as JSON. Fetches its small files if need be."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Name of a model of the catalogue; the part after the owner may do.")
        parser.add_argument("--revision", help="Branch, tag or commit of the hub; the main one if left out.")

    def handle(self, *args: Any, name: str, revision: str | None, **options: Any) -> None:
        model = find(name)
        if model is None:
            near = ", ".join(similar(name))
            raise CommandError(f"{name} is not in the catalogue." + (f" Near it: {near}." if near else ""))
        try:
            inspection = look_into(model, revision)
        except (Problem, Unanswered) as reason:
            raise CommandError(str(reason)) from reason
        self.stdout.write(json.dumps(inspection.document, indent=2, ensure_ascii=False))
