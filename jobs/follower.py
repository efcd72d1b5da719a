"""Writes down what the trainer of an attempt says: progress in the row of the job, metrics, and what changed."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from .metrics import Recorder
from .models import ON_A_MACHINE, Attempt, Job, State
from .predicted import RESUMED
from .progress import Progress, resumed_at, starts_again
from .run_folder import Event
from .services import move, record


class Follower:
    """Takes events at any time; `write` brings what is new into the database, and is tried again when that was away."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.progress = Progress()
        self._recorder = Recorder(job)
        self._notes: list[str] = []
        self._first_step: int | None = None
        self._written_first_step: int | None = None
        self._training = False

    def hear(self, event: Event) -> None:
        self.progress.add(event)
        self._recorder.add(event)
        if self._first_step is None and event.get("event") == "step":
            self._first_step = 0
        if (step := resumed_at(event)) is not None:
            self._first_step = step
            self._notes.append(f"{RESUMED} {step}.")
        if told := starts_again(event):
            self._notes.append(told)

    def training_starts(self) -> None:
        self._training = True

    def write(self, row: dict[str, Any]) -> bool:
        """False when the job is no longer this attempt's."""
        return self._begin() and self._tell() and record(self.job, **row)

    def finish(self) -> None:
        """What is left, when no more events will come."""
        self.write({})
        self._recorder.flush()

    def _begin(self) -> bool:
        """Preparing becomes running when the trainer has started."""
        if not self._training or self.job.state == State.RUNNING:
            return True
        if not move(self.job, State.RUNNING, reason="Training starts."):
            return self._is_so_already()
        self._of_attempt(trained_at=timezone.now())
        return True

    def _is_so_already(self) -> bool:
        """A connection that breaks while it commits leaves open whether it did."""
        same = Job.objects.filter(pk=self.job.pk, attempt=self.job.attempt, state__in=ON_A_MACHINE)
        state = same.values_list("state", flat=True).first()
        self.job.state = state or self.job.state
        return state is not None

    def _tell(self) -> bool:
        while self._notes:
            if not move(self.job, State.RUNNING, reason=self._notes[0]):
                return self._is_so_already()
            self._notes.pop(0)
        if self._first_step != self._written_first_step:
            self._of_attempt(first_step=self._first_step)
            self._written_first_step = self._first_step
        return True

    def _of_attempt(self, **changes: Any) -> None:
        Attempt.objects.filter(job=self.job, number=self.job.attempt).update(**changes)
