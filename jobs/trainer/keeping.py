"""When a checkpoint is due, where it goes, and what is said about it."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from jobs.rulebook import Finding, Severity
from jobs.rulebook.words import size

from . import together
from .checkpoints import Checkpoint, adopt, aside, being_written, clear_half_written, last_sound, prune, seal, sha256
from .events import Events
from .folder import CHECKPOINTS, ROWS_FILE
from .run_file import RunFile
from .together import all_or_none

logger = logging.getLogger(__name__)

WORTH = 20
"""A checkpoint that took a minute is followed by the next after 20 at the earliest: at most 5 % of a run is writing."""
SPARE = 1.05
"""Times its own bytes that must be free before a checkpoint is written."""
WITHOUT_EFFECT = {"name", "training.auto_find_batch_size", "training.save_steps", "training.batch_size"}
"""Settings that a run may change and still go on. Of batches only the rows of a step count."""


class Keeper:
    """The checkpoints of a run. `found` is the one it goes on from."""

    def __init__(self, run_dir: Path, run: RunFile, events: Events) -> None:
        self.store, self.events = run_dir / CHECKPOINTS, events
        self.job = fingerprint(run_dir, run)
        self.every: int | None = run.settings["training.save_steps"]
        self.pause = self._shortest_pause = run.checkpoint_minutes * 60
        self.found: Checkpoint | None = None
        self.kept_at: int | None = None
        self._next = time.monotonic() + self.pause
        self._told = False

    def look_for_one(self, run: RunFile) -> None:
        """Take over the newest sound checkpoint of this attempt or of earlier ones, and tell of those that are not."""
        if not together.is_first():
            together.wait_for_all()
            self.found, _ = last_sound([self.store], self.job)
            self.kept_at = self.found.step if self.found else None
            return
        clear_half_written(self.store)
        found, refused = last_sound([self.store, *map(Path, run.checkpoints)], self.job)
        if refused:
            self.events.findings([unusable(refused, found)])
        if found:
            self.found = adopt(found, self.store)
            self.kept_at = found.step
        together.wait_for_all()

    def start(self) -> None:
        """Training begins now, and with it the time to the next checkpoint."""
        self._next = time.monotonic() + self.pause

    def is_due(self, step: int, *, ended: bool) -> bool:
        """By steps, where that was asked for, and by time. The end of a run by steps counts as one of them."""
        if step == self.kept_at:
            return False
        return bool(self.every and (ended or step % self.every == 0)) or time.monotonic() >= self._next

    def write(self, step: int, needed: int, fill: Callable[[Path], None], *, best: int | None) -> None:
        """Have a checkpoint filled, bring it to the disk and delete those that it makes superfluous.

        `needed` is about how many bytes it takes. Raises what prevented it, with nothing left behind. Of several
        processes each fills in its part of one checkpoint.
        """
        began, written = time.monotonic(), 0
        with ExitStack() as writing:
            with all_or_none():
                if together.is_first():
                    self.make_room(needed, best)
                    writing.enter_context(aside(self.store, step))
            with all_or_none():
                fill(being_written(self.store, step))
            with all_or_none():
                if together.is_first():
                    written = seal(being_written(self.store, step), job=self.job, best=best).bytes
                    prune(self.store, best=best)
        seconds = time.monotonic() - began
        self.kept_at = step
        self.put_off(seconds)
        self.events.write("checkpoint", step=step, seconds=round(seconds, 3), bytes=written)

    def make_room(self, needed: int, best: int | None) -> None:
        """The newest one alone has to do where the disk is short. Raises `NoRoom` when even that is not enough."""
        self.store.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.store).free < SPARE * needed:
            prune(self.store, best=best, keep=1)
        free = shutil.disk_usage(self.store).free
        if free < SPARE * needed:
            raise NoRoom(errno.ENOSPC, f"it takes {size(needed)} of the disk, and {size(free)} are free")

    def put_off(self, seconds: float) -> None:
        self.pause = max(self._shortest_pause, WORTH * seconds)
        self._next = time.monotonic() + self.pause

    def missed(self, step: int, error: Exception) -> None:
        """A run goes on without a checkpoint; that is said once, and tried again when the next one is due."""
        logger.warning("The checkpoint of step %s was not written", step, exc_info=error)
        self.put_off(0)
        if not self._told:
            self._told = True
            self.events.findings([not_written(step, error)])


class NoRoom(OSError):
    """The disk is too full for a checkpoint."""


def fingerprint(run_dir: Path, run: RunFile) -> str:
    """What must be the same for a run to go on: the job, its model, its rows, and all settings that have an effect."""
    settings = {path: _alike(value) for path, value in run.settings.items() if path not in WITHOUT_EFFECT}
    settings["training.gradient_accumulation"] *= run.settings["training.batch_size"]
    told: dict[str, Any] = {
        "job": run.job,
        "settings": settings,
        "rows": [run.rows, run.eval_rows, sha256(run_dir / ROWS_FILE)],
        "start_from": run.start_from,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _alike(value: Any) -> Any:
    """0 and 0.0 are one value, and are written in both ways."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def unusable(refused: list[tuple[int, str]], found: Checkpoint | None) -> Finding:
    faults = " ".join(f"The checkpoint of step {step} cannot be used: {fault}." for step, fault in refused)
    then = f"Training goes on from step {found.step}." if found else "Training starts from the beginning."
    return _warning("trainer.checkpoint-unsound", f"{faults} {then}")


def not_written(step: int, error: Exception) -> Finding:
    why = error.strerror if isinstance(error, NoRoom) else f"{type(error).__name__}: {error}"
    message = (
        f"No checkpoint could be written at step {step}: {why}. Training goes on without; should it be interrupted, it "
        "would begin again from the last checkpoint there is. Ask staff to make room on the disk."
    )
    return _warning("trainer.checkpoint-missed", message)


def _warning(code: str, message: str) -> Finding:
    return Finding(code, Severity.WARNING, "training.save_steps", message)
