"""GET /metrics, for Prometheus. Everything is read when somebody asks: no process has to keep count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import Error as DatabaseTrouble
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_q.models import OrmQ
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from jobs.models import ENDED, Job, Node, Place, State
from jobs.nodes import live
from models_catalog.models import Download

from .access import for_monitoring
from .parts import answered

NOT_ENDED = tuple(state for state in State if state not in ENDED)
DAY = timedelta(days=1)


@never_cache
@require_safe
@for_monitoring
def metrics(request: HttpRequest) -> HttpResponse:
    registry = CollectorRegistry()
    registry.register(Portal())
    try:
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
    except DatabaseTrouble:
        return HttpResponse("The database does not answer.\n", content_type="text/plain", status=503)


class Portal(Collector):
    """Names and labels are part of the public contract: dashboards and alarms are built on them."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from _jobs()
        yield from _tasks()
        yield from _downloads()
        yield from _machines()

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing is asked of the database when the collector is registered."""
        return iter(())


def _jobs() -> Iterator[GaugeMetricFamily]:
    counted = dict(_count(Job.objects.filter(state__in=NOT_ENDED), "state"))
    yield _gauge("foretune_jobs", "Jobs that have not ended, by state.", ["state"],
                 [((state.value,), counted.get(state.value, 0)) for state in NOT_ENDED])  # fmt: skip
    oldest = Job.objects.filter(state=State.QUEUED).aggregate(at=Min("created_at"))["at"]
    waits = (timezone.now() - oldest).total_seconds() if oldest else 0
    yield _gauge("foretune_queue_oldest_seconds", "How long the oldest queued job has waited.", [], [((), waits)])
    today = Job.objects.filter(finished_at__gte=timezone.now() - DAY)
    ended = dict(_count(today, "state"))
    yield _gauge("foretune_jobs_ended_last_day", "Jobs that ended within a day, by state.", ["state"],
                 [((state.value,), ended.get(state.value, 0)) for state in ENDED])  # fmt: skip
    codes = _count(today.filter(state__in=(State.FAILED, State.REFUSED)), "error__code")
    yield _gauge("foretune_failures_last_day", "Jobs that failed or were refused within a day, by finding.", ["code"],
                 [((str(code or "unknown"),), number) for code, number in codes])  # fmt: skip


def _tasks() -> Iterator[GaugeMetricFamily]:
    waiting = _count(OrmQ.objects.all(), "key")
    yield _gauge("foretune_tasks_waiting", "Tasks in a queue, those that are being done too.", ["queue"],
                 [((str(queue),), number) for queue, number in waiting])  # fmt: skip


def _downloads() -> Iterator[GaugeMetricFamily]:
    counted = dict(_count(Download.objects.filter(state__in=Download.ACTIVE), "state"))
    yield _gauge("foretune_downloads", "Downloads of models that have not ended, by state.", ["state"],
                 [((state.value,), counted.get(state.value, 0)) for state in Download.ACTIVE])  # fmt: skip


def _machines() -> Iterator[GaugeMetricFamily]:
    nodes = list(Node.objects.exclude(started_at=None))
    up = {node.pk for node in live()}
    known = [node for node in nodes if node.facts]
    yield _gauge("foretune_machine_up", "Whether a machine that trains was heard of within a minute.", ["machine"],
                 [((node.name,), node.pk in up) for node in nodes])  # fmt: skip
    yield _gauge("foretune_machine_closed", "Whether it starts nothing: full disk, or closed by staff.", ["machine"],
                 [((node.name,), bool(node.facts.get("closed"))) for node in known])  # fmt: skip
    taken = dict(_count(Place.objects.all(), "machine"))
    yield _gauge("foretune_places", "Trainings that fit on a machine at once: one on each GPU.", ["machine"],
                 [((node.name,), node.facts.get("places", 0)) for node in known])  # fmt: skip
    yield _gauge("foretune_places_taken", "Places that a training holds.", ["machine"],
                 [((node.name,), taken.get(node.name, 0)) for node in known])  # fmt: skip
    for what in ("free", "total"):
        yield _gauge(f"foretune_disk_{what}_bytes", f"Disk of the runs, {what}.", ["machine"],
                     [((node.name,), node.facts["disk"][what]) for node in known if "disk" in node.facts])  # fmt: skip
    yield _gauge("foretune_queue_answered_seconds", "Time since a queue last answered.", ["machine", "queue"],
                 [((node.name, queue), seconds) for node in known for queue, seconds in answered(node).items()
                  if seconds is not None])  # fmt: skip
    yield from _gpus(known)


def _gpus(nodes: list[Node]) -> Iterator[GaugeMetricFamily]:
    gpus = [(node.name, gpu) for node in nodes for gpu in node.facts.get("machine", {}).get("gpu_list", [])]
    for name, what, key in (("memory", "Memory of a GPU", "memory"), ("memory_free", "Free memory of a GPU", "free")):
        yield _gauge(f"foretune_gpu_{name}_bytes", f"{what}, looked at once a minute.", ["machine", "gpu", "name"],
                     [((machine, str(gpu["index"]), gpu["name"]), gpu[key]) for machine, gpu in gpus])  # fmt: skip


def _count(rows: Any, by: str) -> list[tuple[Any, int]]:
    return list(rows.order_by().values_list(by).annotate(number=Count("pk")).order_by(by))


def _gauge(name: str, what: str, labels: list[str], values: list[tuple[tuple[str, ...], float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, what, labels=labels)
    for of, value in values:
        family.add_metric(of, float(value))
    return family
