"""GET /readyz: each part of the portal, whether it works, and what to do when it does not."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs.models import Node
from jobs.nodes import live

from ..health import database_trouble, home_trouble
from .access import for_monitoring

UNANSWERED = 120.0
"""Seconds after which a queue that has answered nothing is told as a trouble; tasks may keep it busy for a while."""


@dataclass(frozen=True)
class Part:
    """`detail` says what is wrong and what to do, or how it is."""

    name: str
    ok: bool
    detail: str


@never_cache
@require_safe
@for_monitoring
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every part works, else 503; the body is the same list either way."""
    parts = list(parts_of_portal())
    ready = all(part.ok for part in parts)
    return JsonResponse({"ready": ready, "parts": [asdict(part) for part in parts]}, status=200 if ready else 503)


def parts_of_portal() -> Iterator[Part]:
    for name, look in CHECKED.items():
        try:
            yield from look(name)
        except DatabaseTrouble:
            yield Part(name, False, "The database does not answer.")


def _database(name: str) -> Iterator[Part]:
    trouble = database_trouble()
    yield Part(name, not trouble, trouble or "It answers, and all migrations are applied.")


def _home(name: str) -> Iterator[Part]:
    trouble = home_trouble(Path(settings.HOME))
    yield Part(name, not trouble, trouble or "It can be written.")


def _disk(name: str) -> Iterator[Part]:
    free, floor = shutil.disk_usage(settings.HOME).free // 1_000_000, settings.ENVIRONMENT.disk_floor_mb
    if free < floor:
        yield Part(name, False, f"{free} MB are free, less than the {floor} MB below which no training starts.")
    else:
        yield Part(name, True, f"{free} MB are free.")


def _machines(name: str) -> Iterator[Part]:
    machines = live()
    if not machines:
        yield Part(name, False, "No machine takes jobs. Start one: python manage.py node")
    for node in machines:
        closed = str(node.facts.get("closed", ""))
        yield Part(f"machine {node.name}", not closed, closed or "It takes jobs.")


def _queues(name: str) -> Iterator[Part]:
    for node in live():
        for queue, seconds in answered(node).items():
            late = seconds is None or seconds > UNANSWERED
            said = "It has not answered yet." if seconds is None else f"It answered {seconds:.0f} s ago."
            yield Part(f"queue {queue} of {node.name}", not late, said)


CHECKED: dict[str, Callable[[str], Iterator[Part]]] = {
    "database": _database, "home": _home, "disk": _disk, "machines": _machines, "queues": _queues,
}  # fmt: skip


def answered(node: Node) -> dict[str, float | None]:
    """Seconds since each queue of a machine last answered."""
    queues = node.facts.get("queues", {})
    return {queue: _since(told.get("answered")) for queue, told in queues.items()}


def _since(moment: float | None) -> float | None:
    return None if moment is None else max(0.0, time.time() - moment)
