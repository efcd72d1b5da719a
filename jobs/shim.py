"""One attempt at a job, from the second review to the end. Runs in a process of its own, which outlives the queue.

The shim prepares what the trainer needs, starts it, and follows it: it renews the lease without which the trainer
stops, keeps the row up to date, and passes on the wish to cancel or pause. A database that is away stops none of it.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from types import FrameType
from typing import Any

import psutil
from django.conf import settings

from models_catalog.downloads import ComesLater, bring_model

from .database_away import AWAY, keep_trying, unless_away
from .engines.base import Engine
from .follower import Follower
from .launching import Trainer, start_trainer
from .leases import renewing
from .locks import holders
from .machine import gpu_count
from .models import Job
from .outcomes import Ending, conclude, explain
from .partial import forget_earlier_checkpoints
from .review import review_job
from .rulebook import Report
from .run_folder import RunFolder
from .run_inputs import write_inputs
from .services import record, ring

POLL = 0.3
BEAT = 1.0
"""Seconds between two looks at the row: for what somebody wishes, and to write down how it goes."""
RENEWED_EVERY = 5.0
"""Seconds between two signs of life in the row when nothing changes."""
FROZEN = 8.0
"""Seconds that a trainer may be stopped by SIGSTOP. Then it is let go on: who wants it to rest can pause the job."""


FULL = 1 << 20
"""Bytes left on a disk that is full."""


class Wish(Enum):
    """Why an attempt is to end early."""

    GIVE_WAY = "it is no longer this attempt's job"
    CANCEL = "somebody has cancelled it"
    SHUT_DOWN = "the machine, or whoever runs it, wants it to end"
    PAUSE = "somebody has paused it"


GRACE = {Wish.GIVE_WAY: 5.0, Wish.CANCEL: 6.0, Wish.SHUT_DOWN: 90.0, Wish.PAUSE: 120.0}
"""Seconds from SIGTERM to SIGKILL: time to write a checkpoint, where nobody waits for the end."""

WORDS = {
    Wish.CANCEL: "Stopping",
    Wish.SHUT_DOWN: "Stopping at a checkpoint, because this machine is being stopped",
    Wish.PAUSE: "Pausing at a checkpoint",
}


class Stopped(Exception):
    """The attempt is to end before training has begun."""


class Unfit(Exception):
    """The rules no longer accept the job, as things are today."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.errors[0].message)
        self.report = report


class Shim:
    """Holds the row and the folder of an attempt. `locks` are descriptors: the job's, and those of its GPUs."""

    def __init__(self, job: Job, locks: Sequence[int], engine: Engine) -> None:
        self.job, self.locks, self.engine = job, locks, engine
        self.folder = RunFolder(job.run_dir)
        self.follower = Follower(job)
        self.wish: Wish | None = None
        self._next_beat = self._next_lease = self._next_look = 0.0
        self._written: dict[str, Any] = {}
        self._kill_at = float("inf")
        self._frozen_since: float | None = None

    def run(self) -> None:
        """Review again, prepare, train, and write down how it ended."""
        signal.signal(signal.SIGTERM, self._shut_down)
        note = self.folder.journal.note
        note("shim started", attempt=self.job.attempt, machine=self.job.machine)
        with renewing(self.folder.lease):
            ending = self._attempt()
            note(
                "attempt ended",
                attempt=self.job.attempt,
                exit_code=ending.exit_code,
                wish=self.wish,
                error=ending.error,
            )
            ending.write(self.folder)
            keep_trying(self.follower.finish)
            keep_trying(lambda: conclude(self.job, ending))
        unless_away(ring, None)

    def _shut_down(self, signal_number: int, frame: FrameType | None) -> None:
        self.wish = self.wish or Wish.SHUT_DOWN

    def _attempt(self) -> Ending:
        """What can go wrong before the trainer runs becomes a finding."""
        try:
            self.folder.shim_pid.write_text(str(os.getpid()))
            self._require_fit()
            self._prepare()
            code = self._train()
            return Ending(exit_code=code, asked=self.wish is not None, error=self._unsaid(code))
        except Stopped:
            return Ending(asked=True)
        except AWAY:  # for minutes: the tick that finds the job without a process gives it back
            raise
        except Unfit as unfit:
            findings = unfit.report.as_dict()["findings"]
            return Ending(error=unfit.report.errors[0].as_dict(), findings=findings)
        except ComesLater as later:
            return Ending(error=explain(later).as_dict(), not_before=later.not_before.isoformat())
        except Exception as error:
            return Ending(error=explain(error).as_dict())

    def _unsaid(self, code: int) -> dict[str, Any] | None:
        """On a full disk a trainer cannot even say that the disk is full."""
        if code == 0 or self.wish or self.follower.progress.failure:
            return None
        free = shutil.disk_usage(self.folder.path).free
        return explain(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))).as_dict() if free < FULL else None

    def _require_fit(self) -> None:
        """The rules, asked again on this machine with everything as it is today."""
        asked = keep_trying(lambda: review_job(self.job))
        if not asked.report.ok:
            raise Unfit(asked.report)

    def _prepare(self) -> None:
        self.tell("Looking for the model")
        model = self.job.base_model
        if model is None:
            raise LookupError("The base model was deleted.")  # the review has just found it
        revision = self.job.spec["model"]["revision"]
        folder = bring_model(model, revision, self.job.owner, lambda load: self.beat({"progress": load.progress}))
        minutes = settings.ENVIRONMENT.checkpoint_minutes
        rows = write_inputs(self.job, folder, minutes, self.tell)
        self.job.result = {**self.job.result, **rows}
        keep_trying(lambda: record(self.job, result=self.job.result))

    def tell(self, text: str) -> None:
        """Say what is being done while the job is prepared. Raises Stopped."""
        self.beat({"progress": {"text": text}})

    def beat(self, row: dict[str, Any]) -> None:
        """Before training: see to the row now and then, and end when that is wished. Raises Stopped."""
        self._see_to_row(row)
        if self.wish:
            raise Stopped

    def _train(self) -> int:
        """Start the trainer and follow it to its end; answers its exit code. Nothing of it is left then."""
        trainer = start_trainer(
            self.folder,
            environment=self._environment(),
            locks=self.locks,
            log=self.folder.log_file,
            processes=self.job.processes,
        )
        try:
            self.folder.trainer_pid.write_text(str(trainer.pid))
            self.folder.journal.note("trainer started", attempt=self.job.attempt, trainer=trainer.pid)
            self.follower.training_starts()
            return self._follow(trainer)
        finally:
            self._kill_what_is_left(trainer)

    def _environment(self) -> dict[str, str]:
        """The trainer's own: its GPUs as the driver numbers them, and nothing from the network."""
        slots = ",".join(map(str, keep_trying(lambda: self.job.slots)))
        gpus = {"CUDA_VISIBLE_DEVICES": slots, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if gpu_count() else {}
        fixed = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
        return {**os.environ, **gpus, **fixed, "FORETUNE_SLOTS": slots}

    def _follow(self, trainer: Trainer) -> int:
        cursor = 0
        while True:
            code = trainer.poll()  # before reading, so that the last events are not missed
            events, cursor = self.engine.follow(self.job, cursor)
            for event in events:
                self.follower.hear(event)
                if event.get("event") in ("checkpoint", "finished"):
                    forget_earlier_checkpoints(self.job)
            if code is not None and not events:
                return code
            stopping = {"progress": {"text": WORDS[self.wish]}} if self.wish in WORDS else {}
            self._see_to_row(self.follower.progress.row() | stopping)
            self._see_to(trainer)
            time.sleep(0 if events else POLL)

    def _see_to_row(self, row: dict[str, Any]) -> None:
        """Once a second: what somebody wishes, and how it goes. While the database is away, nothing is."""
        now = time.monotonic()
        if now < self._next_beat:
            return
        self._next_beat = now + BEAT
        unless_away(self._read_wishes, None)
        if (row != self._written or now >= self._next_lease) and self.wish is not Wish.GIVE_WAY:
            if unless_away(lambda: self.follower.write(row), None) is False:
                self.wish = Wish.GIVE_WAY
            self._written, self._next_lease = row, now + RENEWED_EVERY

    def _read_wishes(self) -> None:
        asked = Job.objects.filter(pk=self.job.pk, attempt=self.job.attempt)
        match asked.values_list("cancel_requested", "pause_requested").first():
            case None:
                self.wish = Wish.GIVE_WAY
            case (True, _):
                self.wish = Wish.CANCEL
            case (_, True):
                self.wish = self.wish or Wish.PAUSE

    def _see_to(self, trainer: Trainer) -> None:
        """Pass on the wish to stop, with the time it leaves; let a trainer go on that somebody has frozen."""
        now = time.monotonic()
        if self.wish and now + GRACE[self.wish] < self._kill_at:
            first, self._kill_at = self._kill_at == float("inf"), now + GRACE[self.wish]
            if first:
                _signal(trainer, signal.SIGTERM)
        if now > self._kill_at:
            _signal(trainer, signal.SIGKILL)
        if now >= self._next_look:
            self._next_look = now + BEAT
            self._thaw(trainer, now)

    def _thaw(self, trainer: Trainer, now: float) -> None:
        if not _is_frozen(trainer.pid, with_ranks=self.job.processes > 1):
            self._frozen_since = None
            return
        self._frozen_since = self._frozen_since or now
        if self.wish or now - self._frozen_since > FROZEN:
            _signal(trainer, signal.SIGCONT)

    def _kill_what_is_left(self, trainer: Trainer) -> None:
        """Its ranks and loaders, and itself when following it failed: known by the lock, for numbers come again."""
        own = {pid for pid in holders(self.folder.lock) if _group(pid) == trainer.pid}
        for pid in own:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _signal(trainer: Trainer, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(trainer.pid, number)


def _is_frozen(pid: int, *, with_ranks: bool) -> bool:
    """Whether somebody has sent it SIGSTOP; one frozen rank keeps all others waiting."""
    with suppress(psutil.Error):
        trainer = psutil.Process(pid)
        processes = [trainer, *(trainer.children(recursive=True) if with_ranks else ())]
        return any(process.status() == psutil.STATUS_STOPPED for process in processes)
    return False


def _group(pid: int) -> int | None:
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
    return None
