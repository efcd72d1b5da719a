"""One attempt at a job, from the second review to the end. Runs in a process of its own, which outlives the queue."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any

from datasets_app.models import Dataset
from finetune_site.environment import ROOT
from models_catalog.downloads import bring_model

from .database_away import keep_trying, unless_away
from .machine import gpu_count
from .models import Job, State
from .outcomes import conclude, explain, fail
from .progress import Progress, starts_again
from .review import review_job
from .run_folder import Event, RunFolder
from .run_inputs import run_file
from .services import move, record, ring

POLL = 0.3
BEAT = 1.0
"""Seconds between two looks at the row: for a wish to cancel, and to write down how it goes."""
LEASE_EVERY = 5.0
GRACE = 6.0
"""Seconds from SIGTERM to SIGKILL."""
ROWS_PER_BEAT = 1000
SECRETS = ("HF_TOKEN", "DATABASE_URL")


class Stopped(Exception):
    """The attempt must end now: cancelled, taken away, or the machine is shutting down."""


class Attempt:
    """Holds the row and the folder of an attempt; `lock` is the descriptor of the folder's lock."""

    def __init__(self, job: Job, lock: int) -> None:
        self.job, self.lock = job, lock
        self.folder = RunFolder(job.run_dir)
        self.progress = Progress()
        self.shutting_down = False
        self._next_beat = self._next_lease = 0.0
        self._written: dict[str, Any] = {}
        self._evaluated_on = 0

    def run(self) -> None:
        """Review again, prepare, train, and write down how it ended."""
        signal.signal(signal.SIGTERM, self._shut_down)
        try:
            with self._failures():
                if self._still_allowed():
                    model = self._fetch_model()
                    self._write_inputs(model)
                    exit_code = self._train()
                    keep_trying(lambda: conclude(self.job, exit_code=exit_code))
        finally:
            unless_away(ring, None)

    def _shut_down(self, signal_number: int, frame: FrameType | None) -> None:
        self.shutting_down = True

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """What can go wrong before the trainer runs becomes a finding on the job."""
        try:
            yield
        except Stopped:
            keep_trying(lambda: conclude(self.job, exit_code=None))
        except Exception as error:
            finding = explain(error)
            keep_trying(lambda: fail(self.job, finding.as_dict()))

    def _still_allowed(self) -> bool:
        """The rules, asked again on this machine with everything as it is today."""
        asked = keep_trying(lambda: review_job(self.job))
        if asked.report.ok:
            return True
        first = asked.report.errors[0].as_dict()
        findings = asked.report.as_dict()["findings"]
        refused = {"reason": first["message"], "error": first, "result": {"findings": findings}}
        keep_trying(lambda: move(self.job, State.REFUSED, **refused))
        return False

    def _fetch_model(self) -> Path:
        """The folder of the base model, downloaded first if it is not at hand."""
        self.beat(text="Looking for the model")
        model = self.job.base_model
        if model is None:
            raise LookupError("The base model was deleted.")  # the review has just found it
        revision = self.job.spec["model"]["revision"]
        return bring_model(model, revision, self.job.owner, lambda download: self.beat(**download.progress))

    def _write_inputs(self, model: Path) -> None:
        """run.json, and the usable rows beside it."""
        dataset = self.job.dataset
        if dataset is None:
            raise LookupError("The dataset was deleted.")  # the review has just found it
        rows, eval_rows = self._write_rows(dataset)
        self.job.result = {"rows_of_dataset": dataset.rows, "rows_left_out": dataset.rows - rows + eval_rows}
        keep_trying(lambda: record(self.job, result=self.job.result))
        told = run_file(
            spec=self.job.spec,
            facts=self.job.facts,
            dataset=dataset,
            model=model,
            rows=rows,
            eval_rows=eval_rows,
            job=self.job.pk,
            attempt=self.job.attempt,
        )
        write_whole(self.folder.run_file, [told.model_dump_json(indent=2)])

    def _write_rows(self, dataset: Dataset) -> tuple[int, int]:
        """All rows, those to evaluate with behind those to train on: how many in all, and how many of the former."""
        written = write_whole(self.folder.train_file, chain(self._lines(dataset), self._evaluation_lines()))
        return written, self._evaluated_on

    def _evaluation_lines(self) -> Iterator[str]:
        self._evaluated_on = 0
        if given := self.job.spec["data"].get("eval_dataset"):
            for line in self._lines(Dataset.objects.visible_to(self.job.owner).get(pk=given)):
                self._evaluated_on += 1
                yield line

    def _lines(self, dataset: Dataset) -> Iterator[str]:
        for number, row in enumerate(dataset.good_rows(), start=1):
            if number % ROWS_PER_BEAT == 0:
                self.beat(text=f"Copying rows… {number} of {dataset.usable_rows}")
            yield json.dumps(row, ensure_ascii=False) + "\n"

    def _train(self) -> int:
        """Start the trainer and follow it to its end; answers its exit code."""
        with self.folder.log_file.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
                trainer_command(self.folder.path),
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[self.lock],
            )
        try:
            self.folder.trainer_pid.write_text(str(process.pid))
            starting = {"text": "Starting the trainer"}
            keep_trying(lambda: move(self.job, State.RUNNING, reason="Training starts.", progress=starting))
            return self._follow(process)
        except Stopped:
            return stop(process)
        finally:
            if process.poll() is None:
                stop(process)

    def _environment(self) -> dict[str, str]:
        """The trainer's own environment: off the network, one GPU, none of the portal's secrets."""
        kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
        gpu = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, self.job.slots))} if gpu_count() else {}
        return kept | gpu | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}

    def _follow(self, process: subprocess.Popen[bytes]) -> int:
        cursor = 0
        while True:
            code = process.poll()  # before reading, so that the last events are not missed
            events, cursor = self.folder.events(cursor)
            for event in events:
                self.progress.add(event)
                self._note(event)
            if code is not None and not events:
                return code
            self.beat(**self.progress.row())
            time.sleep(0 if events else POLL)

    def _note(self, event: Event) -> None:
        """A run that starts again with smaller batches stands among the changes of its job."""
        if told := starts_again(event):
            keep_trying(lambda: move(self.job, State.RUNNING, reason=told))

    def beat(self, **row: Any) -> None:
        """Once a second: see whether to stop, write what is new about the row, keep the lease. Raises Stopped."""
        now = time.monotonic()
        if now < self._next_beat:
            return
        self._next_beat = now + BEAT
        if self.shutting_down:
            raise Stopped
        unless_away(self._stop_if_asked, None)
        if "text" in row:
            row = {"progress": row}
        if row == self._written and now < self._next_lease:
            return
        if unless_away(lambda: record(self.job, **row), True):
            self._written, self._next_lease = row, now + LEASE_EVERY
        else:
            raise Stopped

    def _stop_if_asked(self) -> None:
        row = Job.objects.filter(pk=self.job.pk).values_list("attempt", "cancel_requested").first()
        if row != (self.job.attempt, False):
            raise Stopped


def trainer_command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "jobs.trainer", str(folder)]


def stop(process: subprocess.Popen[bytes]) -> int:
    """Ask the trainer's group to end, then make it; answers the exit code."""
    _signal_group(process, signal.SIGTERM)
    try:
        return process.wait(GRACE)
    except subprocess.TimeoutExpired:
        _signal_group(process, signal.SIGKILL)
        return process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def write_whole(path: Path, parts: Iterable[str]) -> int:
    """Write a file so that it is there whole or not at all; answers how many parts it has."""
    growing = path.with_name(f"{path.name}.part")
    count = 0
    with growing.open("w", encoding="utf-8") as file:
        for count, part in enumerate(parts, start=1):  # noqa: B007 - counted, and read after the loop
            file.write(part)
    growing.replace(path)
    return count
