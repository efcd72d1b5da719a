"""The folder of one attempt: what lies in it, and the lock of its job that tells whether anything lives there."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from finetune_site.journal import Journal

from .trainer import folder

Event = dict[str, Any]
MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class RunFolder:
    """Names of the files of an attempt, which lie in a folder of the attempt's number in that of its job.

    The trainer is given the folder. No attempt writes into the folder of another.
    """

    path: Path

    @property
    def lock(self) -> Path:
        """The job's, for all its attempts. Held by shim and trainer; the kernel lets go when both are dead."""
        return self.path.parent / "lock"

    @property
    def journal(self) -> Journal:
        """The job's, for all its attempts: what was done with its processes."""
        return Journal(self.path.parent / "journal.jsonl")

    @property
    def shim_pid(self) -> Path:
        return self.path / "shim.pid"

    @property
    def trainer_pid(self) -> Path:
        return self.path / "trainer.pid"

    @property
    def shim_log(self) -> Path:
        return self.path / "shim.log"

    @property
    def lease(self) -> Path:
        return self.path / folder.LEASE_FILE

    @property
    def ending_file(self) -> Path:
        """How the shim saw it end, written before the database is told."""
        return self.path / "ending.json"

    @property
    def run_file(self) -> Path:
        return self.path / folder.RUN_FILE

    @property
    def train_file(self) -> Path:
        return self.path / folder.ROWS_FILE

    @property
    def events_file(self) -> Path:
        return self.path / folder.EVENTS_FILE

    @property
    def log_file(self) -> Path:
        return self.path / "log.txt"

    @property
    def result_file(self) -> Path:
        return self.path / folder.RESULT_FILE

    @property
    def output(self) -> Path:
        return self.path / folder.OUTPUT

    @property
    def checkpoints(self) -> Path:
        return self.path / folder.CHECKPOINTS

    def events(self, after: int = 0) -> tuple[list[Event], int]:
        """Events written since byte `after`, at most a megabyte of them, and the byte to go on from.

        A line that is still being written is left for the next time.
        """
        try:
            with self.events_file.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(min(after, end))
                read = file.read(MOST_BYTES)
        except FileNotFoundError:
            return [], after
        whole = read[: read.rfind(b"\n") + 1]
        events = (_parsed(line) for line in whole.splitlines())
        return [event for event in events if event is not None], after + len(whole)

    def all_events(self) -> Iterator[Event]:
        events, cursor = self.events()
        while events:
            yield from events
            events, cursor = self.events(cursor)

    def result(self) -> dict[str, Any] | None:
        """What the trainer wrote as its last act; None when it did not come so far."""
        return _read(self.result_file)

    def ending(self) -> dict[str, Any] | None:
        """How its shim saw it end; None when no shim lived to see that."""
        return _read(self.ending_file)

    def log_tail(self, most_bytes: int) -> str:
        try:
            with self.log_file.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - most_bytes))
                return file.read(most_bytes).decode(errors="replace")
        except FileNotFoundError:
            return ""


def hold(run_folder: RunFolder) -> int | None:
    """Take the lock of a folder: its descriptor, or None when somebody alive holds it."""
    return hold_file(run_folder.lock)


def hold_file(lock: Path, mode: int = 0o600) -> int | None:
    """Take a lock: its descriptor, or None when somebody alive holds it. The kernel takes it back at their death."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, mode)
    except PermissionError:  # another account's: may be held all the same
        descriptor = os.open(lock, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return _parsed(path.read_bytes())
    except FileNotFoundError:
        return None


def _parsed(line: bytes) -> Event | None:
    """One JSON object, with null for NaN, which neither the database nor a browser reads; None for anything else."""
    try:
        value = json.loads(line, parse_constant=lambda _: None)
    except ValueError:
        return None
    return cast(Event, value) if isinstance(value, dict) else None
