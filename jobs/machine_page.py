"""A machine that trains, in the words that staff read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import humanize
from django.utils import timezone

from .models import Job, Node
from .nodes import live


@dataclass(frozen=True)
class Machine:
    node: Node
    is_live: bool
    jobs: tuple[Job, ...] = ()

    @property
    def closed(self) -> str:
        """Why it starts nothing; empty when it takes jobs. An order that it has not read yet counts."""
        if not self.is_live:
            return "Its node service is not running, or cannot reach the database."
        told = str(self._facts.get("closed", ""))
        return told or ("It was closed just now." if self.node.draining else "")

    @property
    def state(self) -> str:
        """Part of the public contract."""
        if not self.is_live:
            return "away"
        return "closed" if self.closed else "open"

    @cached_property
    def facts(self) -> list[tuple[str, str]]:
        """What it has, as label and text."""
        return [(label, text) for label, text in self._lines() if text]

    @property
    def gpus(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self._machine.get("gpu_list", [])
        return listed

    @property
    def models(self) -> list[str]:
        named: list[str] = self._facts.get("models", [])
        return named

    @property
    def _facts(self) -> Mapping[str, Any]:
        told: Mapping[str, Any] = self.node.facts
        return told

    @property
    def _machine(self) -> Mapping[str, Any]:
        told: Mapping[str, Any] = self._facts.get("machine", {})
        return told

    def _lines(self) -> Iterator[tuple[str, str]]:
        facts, machine, disk = self._facts, self._machine, self._facts.get("disk", {})
        yield "GPUs", "; ".join(_gpu(gpu) for gpu in self.gpus) or "none: jobs train on the processor"
        yield "bfloat16", ("yes" if machine["bf16"] else "no") if "bf16" in machine else ""
        yield "Memory", _of(facts.get("memory_free"), machine.get("ram"))
        yield "Processors", str(facts.get("processors", ""))
        yield "Disk of the runs", _of(disk.get("free"), disk.get("total"))
        yield "Libraries", ", ".join(f"{name} {version}" for name, version in sorted(facts.get("versions", {}).items()))
        yield "Python", str(facts.get("python", ""))
        yield "System", str(facts.get("system", ""))
        yield (
            "Queues answered",
            ", ".join(f"{queue} {_ago(told)}" for queue, told in sorted(facts.get("queues", {}).items())),
        )
        yield "Warm process", ("ready" if facts["warm"] else "not ready: starts take longer") if "warm" in facts else ""


def machines() -> list[Machine]:
    """All that were ever started here, with what trains on them."""
    alive = {node.pk for node in live()}
    running: dict[str, list[Job]] = {}
    for job in Job.objects.filter(places__isnull=False).distinct().select_related("owner"):
        running.setdefault(job.machine, []).append(job)
    nodes = Node.objects.exclude(started_at=None)
    return [Machine(node, node.pk in alive, tuple(running.get(node.name, ()))) for node in nodes]


def _gpu(gpu: Mapping[str, Any]) -> str:
    capability = ".".join(map(str, gpu["capability"]))
    memory = f"{_size(gpu['free'])} of {_size(gpu['memory'])} free"
    return f"{gpu['index']}: {gpu['name']}, {memory}, compute capability {capability}, driver {gpu['driver']}"


def _of(free: int | None, total: int | None) -> str:
    return f"{_size(free)} of {_size(total)} free" if free is not None and total is not None else ""


def _size(number: int) -> str:
    return humanize.naturalsize(number)


def _ago(told: Mapping[str, Any]) -> str:
    moment = told.get("answered")
    if moment is None:
        return "not yet"
    return humanize.naturaltime(timezone.now() - datetime.fromtimestamp(moment, UTC))
