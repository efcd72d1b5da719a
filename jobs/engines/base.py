"""What the portal asks of whatever runs its jobs.

The portal keeps the queue, the turns, the claims and the truth of the files. An engine places, starts, stops and
tells; one for a cluster of machines would answer the same four questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from jobs.models import Job
from jobs.run_folder import Event


class Status(Enum):
    """What an engine knows of the current attempt at a job."""

    WATCHED = "it lives, and somebody follows it"
    UNWATCHED = "something of it lives, and nobody follows it any more"
    GONE = "nothing of it lives"


class Engine(Protocol):
    def submit(self, queue: Sequence[Job]) -> Job | None:
        """Claim and start the first of these jobs that there is room for; None when there is none."""

    def poll(self, job: Job) -> Status:
        """What has become of the current attempt of a job that it has started."""

    def stop(self, job: Job) -> None:
        """End an attempt that nobody follows, with time for a checkpoint. Is asked again until it is gone."""

    def follow(self, job: Job, cursor: int) -> tuple[list[Event], int]:
        """What the trainer has said since `cursor`, and the cursor to go on from."""
