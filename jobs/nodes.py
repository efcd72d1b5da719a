"""The machines that train, as their node services tell of them in the database."""

from __future__ import annotations

import logging
import os
import shutil
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import humanize
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from finetune_site import sessions

from .models import Node

logger = logging.getLogger(__name__)

GENERATION = "FORETUNE_GENERATION"
"""Environment variable that tells the processes of a node service which start of it they belong to."""
BEAT = 5.0
"""Seconds between two signs of life of a node service."""
SILENCE = timedelta(seconds=60)
"""Without a sign of life for so long, a machine counts as away."""


def is_here() -> bool:
    """Whether this process belongs to a node service: then the machine it runs on is one that trains."""
    return GENERATION in os.environ


def clock() -> Now | datetime:
    """The time that all machines agree on: that of the database server, where there is one."""
    return Now() if connection.vendor == "postgresql" else timezone.now()


def live() -> list[Node]:
    """The machines whose node service was heard of just now, the freshest first."""
    return list(Node.objects.filter(seen_at__gt=clock() - SILENCE).order_by("-seen_at"))


def told() -> dict[str, Any] | None:
    """What the machine that was heard of last told of itself; None where no node service ever ran."""
    heard = Node.objects.exclude(started_at=None).order_by(F("seen_at").desc(nulls_last=True), "-started_at")
    facts: dict[str, Any] | None = heard.values_list("facts", flat=True).first()
    return facts


def why_nothing_starts() -> str:
    """Why no waiting job starts at present, for the people who wait; empty when some machine takes jobs."""
    machines = live()
    if not machines:
        return (
            "No machine takes jobs at present: none was heard of for a minute. Waiting jobs keep their places. "
            "Whoever runs the portal starts one with: python manage.py node"
        )
    reasons = [str(node.facts.get("closed", "")) for node in machines]
    return "" if "" in reasons else reasons[0]


def train_queues() -> list[str]:
    """The queues in which machines are rung; this machine's own when none was heard of, for when it comes back."""
    return [f"train-{node.name}" for node in live()] or [settings.TRAIN_QUEUE]


def end_if_orphan() -> None:
    """Called first by every task of a node: one of an earlier start of the node service ends its whole cluster.

    Such clusters are left when somebody kills the service and its qcluster at once. They would go on taking tasks,
    with the code and the settings of then. Trainings are not touched: each has a session of its own.
    """
    told = os.environ.get(GENERATION)
    if told is None:
        return
    generation = Node.objects.filter(name=settings.MACHINE_NAME).values_list("generation", flat=True).first()
    if generation is not None and generation != UUID(told):
        logger.warning("This cluster is left over from an earlier start of the node service, and ends.")
        sessions.end(os.getsid(0))


def closed() -> str:
    """Why no training may start on this machine now, as a sentence; empty when it may."""
    free = shutil.disk_usage(settings.RUNS_DIR).free
    floor = settings.ENVIRONMENT.disk_floor_mb * 1_000_000
    if free < floor:
        return (
            f"The disk of the runs has {humanize.naturalsize(free)} left, less than the {humanize.naturalsize(floor)} "
            "that must stay free. Waiting jobs start once there is room: delete old runs, datasets or models."
        )
    if Node.objects.filter(name=settings.MACHINE_NAME, draining=True).exists():
        return "An administrator has closed this machine for new jobs. Those that run go on; the others wait."
    return ""


def close(node: Node) -> None:
    """Let a machine start nothing more. What runs goes on."""
    Node.objects.filter(pk=node.pk).update(draining=True)


def reopen(node: Node) -> None:
    """Let a machine start jobs again."""
    Node.objects.filter(pk=node.pk).update(draining=False)
