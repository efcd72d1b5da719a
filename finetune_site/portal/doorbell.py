"""Rings a queue again and again, and notices when nobody answers.

A qcluster whose idle worker is killed never takes another task and looks healthy (django-q2#23). So a small task is
put into the queue; when it still lies there after a while, although a worker must have been free, the cluster is dead.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.utils import timezone
from django_q.models import OrmQ
from django_q.tasks import async_task

from jobs.nodes import end_if_orphan

WORKERS = 2  # of each cluster, as in settings.Q_CLUSTER


def pong() -> None:
    """The task that is rung where there is nothing else to ring."""
    end_if_orphan()


@dataclass
class Doorbell:
    queue: str
    task: str
    every: float
    patience: float
    answered_at: float | None = None
    """By the clock, as time.time()."""
    _row: int | None = None
    _rung_at: float = float("-inf")

    def press(self) -> None:
        """Ring when it is time, unless the last ring still waits."""
        if self._is_answered() and time.monotonic() - self._rung_at >= self.every:
            self._ring()

    @property
    def is_dead(self) -> bool:
        """The ring has waited too long, and the tasks before it cannot be what keeps all workers busy."""
        if self._is_answered() or time.monotonic() - self._rung_at < self.patience:
            return False
        return bool(OrmQ.objects.filter(key=self.queue, pk__lt=self._row).count() < WORKERS)

    def give_back_tasks(self) -> None:
        """What a dead cluster had taken is free to be taken again; every task of ours may be run twice."""
        OrmQ.objects.filter(key=self.queue).update(lock=timezone.now())
        self.restart_patience()

    def restart_patience(self) -> None:
        self._rung_at = time.monotonic()

    def _ring(self) -> None:
        task_id = async_task(self.task, cluster=self.queue, save=False)
        self._rung_at = time.monotonic()
        rows = OrmQ.objects.filter(key=self.queue).order_by("-pk")
        self._row = next((row.pk for row in rows if row.task_id() == task_id), None)

    def _is_answered(self) -> bool:
        if self._row is not None and not OrmQ.objects.filter(pk=self._row).exists():
            self._row, self.answered_at = None, time.time()
        return self._row is None
