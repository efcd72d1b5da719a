"""`manage.py demo`: from an empty home to a fine-tuned model and a portal that shows it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from finetune_site import demo
from finetune_site.portal.node_part import NodePart
from finetune_site.portal.portal import Portal
from finetune_site.portal.readiness import CannotServe
from finetune_site.portal.web_part import WebPart
from jobs.demo.sample import PROMPT
from jobs.models import Job, State
from models_catalog.demo_model import register_demo_model


class Command(BaseCommand):
    help = "Fine-tune SmolLM2-135M on the sample dataset through queue and worker, then serve the portal."
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on.")
        parser.add_argument("--port", type=int, default=8000, help="0 picks a free one.")
        parser.add_argument("--steps", type=int, help="Train only so many steps: quicker, and the change less plain.")
        parser.add_argument("--no-serve", action="store_true", help="End after the training.")

    def handle(self, *args: Any, **options: Any) -> None:
        self.console = Console()
        try:
            web = WebPart(options["host"], options["port"])
            with Portal([web, NodePart()], say=self.stderr.write).serving() as portal:
                password = self._tour(portal, options["steps"])
                if not options["no_serve"] and not portal.stopping:
                    self._show_login(web.address, password)
                    portal.run()
        except CannotServe as reason:
            raise CommandError(str(reason)) from reason

    def _tour(self, portal: Portal, steps: int | None) -> str:
        """All the steps of a new user; returns the password of the demo's account."""
        self.console.print("[bold]1[/] Getting SmolLM2-135M-Instruct ready…")
        register_demo_model()
        self.console.print("[bold]2[/] Uploading the sample dataset…")
        user, password = demo.demo_user()
        dataset = demo.demo_dataset(user)
        self.console.print(f"  {dataset.rows} rows of format {dataset.format}, {dataset.bad_rows} of them bad")
        self.console.print("[bold]3[/] Checking the job, and submitting it to the queue…")
        asked, job = demo.check_and_submit(demo.demo_choices(dataset, steps), user)
        for finding in asked.report:
            self.console.print(f"  {finding.severity}: {finding.message}", markup=False, highlight=False)
        self.console.print("[bold]4[/] Training…")
        self._watch(job, portal)
        if job.state == State.SUCCEEDED:
            self._compare(job)
        return password

    def _watch(self, job: Job, portal: Portal) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TextColumn("{task.fields[loss]}"), TimeRemainingColumn(), console=self.console) as bar:
            task = bar.add_task("Waiting", total=None, loss="")
            for now in demo.followed(job):
                bar.update(task, **demo.describe(now))
                portal.step()
                if portal.stopping:
                    self.console.print("Stopped. The training goes on; `make serve` shows it.")
                    return
        if job.state != State.SUCCEEDED:
            raise CommandError(
                f"The training ended as {job.state}: {(job.error or {}).get('message', 'no reason known')}"
            )

    def _compare(self, job: Job) -> None:
        self.console.print("[bold]5[/] Asking the model, before and after…")
        self.console.print(Panel(PROMPT, title="prompt"))
        for when, text in demo.answers(job).items():
            self.console.print(Panel(text, title=when), markup=False)

    def _show_login(self, address: str, password: str) -> None:
        lines = f"{address}\nuser      {demo.USER}\npassword  {password}\n\nCtrl-C stops the portal."
        self.console.print(Panel(lines, title="Foretune is ready", expand=False))
