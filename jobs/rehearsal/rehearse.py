"""Rehearses a job: the real trainer, two steps, on a stand-in for the model and the rows that hurt most."""

from __future__ import annotations

import json
import os
import time
import traceback
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from datasets import disable_progress_bars
from peft import PeftModel
from transformers.utils import logging

from jobs.rulebook import Finding, Severity
from jobs.trainer.events import Events
from jobs.trainer.folder import EVENTS_FILE, OUTPUT, RUN_FILE
from jobs.trainer.run import fine_tune
from jobs.trainer.run_file import RunFile
from jobs.trainer.saving import versions
from jobs.trainer.stopping import StopSignal

from . import proofs
from .document import Document, Proof, TellingRow
from .findings import explain, of_the_rows_tried, read_finding, unforeseen
from .onlooker import Onlooker
from .rows import write_rows
from .script import left_out, rehearsed
from .stand_in import NoStandIn, StandIn, make_stand_in

MOST_LOG = 16_000
"""Characters of a traceback that the document keeps, from its end."""


def rehearse(model_folder: str, run: dict[str, Any], rows: list[TellingRow], scratch: str) -> Document:
    """Train a tiny stand-in of the model in `model_folder` as the run file `run` says, within the folder `scratch`.

    Never raises: what goes wrong is told in the document.
    """
    rehearsal = Rehearsal(rows)
    try:
        with on_the_processor():
            rehearsal.hold(RunFile(**run), Path(model_folder), Path(scratch))
    except NoStandIn as error:
        rehearsal.document.update({"state": "not_rehearsed", "reason": f"{error}."})
    except Exception as error:
        reference = uuid.uuid4().hex[:8]
        rehearsal.stop(error, unforeseen(error, reference), reference)
    return rehearsal.finished()


class Rehearsal:
    """Fills the document as it goes on."""

    def __init__(self, rows: Sequence[TellingRow]) -> None:
        self.rows = rows
        self.started = self.lap = time.monotonic()
        self.document = Document(
            state="passed", reason="", findings=[], proved=[], rows=[], seconds={}, libraries=versions(), reference="",
            log="",
        )  # fmt: skip

    def hold(self, job: RunFile, model_folder: Path, scratch: Path) -> None:
        """Raises `NoStandIn`; failures of the trainer go into the document."""
        stand_in = make_stand_in(model_folder, scratch / "model")
        self.took("stand_in")
        run_dir = scratch / "run"
        run_dir.mkdir(parents=True)
        run = rehearsed(job, stand_in, len(self.rows))
        write_rows(run_dir, self.rows)
        (run_dir / RUN_FILE).write_text(run.model_dump_json())
        onlooker = Onlooker(run, run_dir, self.rows)
        try:
            fine_tune(run_dir, run, Events(run_dir / EVENTS_FILE), StopSignal(), before_training=onlooker.look)
            self.took("save", since=onlooker.trained_at)
            self.prove(job, run, run_dir, stand_in, onlooker)
            self.took("prove")
        except Exception as error:
            self.stop(error, *explain(error, run, len(self.rows)))
        self.document["rows"] = onlooker.rows
        self.tell(run_dir)

    def prove(self, job: RunFile, run: RunFile, run_dir: Path, stand_in: StandIn, onlooker: Onlooker) -> None:
        """In the order in which a run would come to it. A proof that fails raises `TrainingError`."""
        prepared = onlooker.prepared
        add = self.document["proved"].append
        add(_starts(job, stand_in))
        add(proofs.rows_tokenised(onlooker.rows))
        if onlooker.endings.ended:
            add(proofs.end_trained(onlooker.endings, onlooker.stops))
        add(proofs.loss_finite([event["loss"] for event in _events(run_dir, "step")]))
        if prepared.gradients:
            add(proofs.targets_trained(prepared.gradients))
        else:
            add(proofs.weights_trained(onlooker.before, prepared.model))
        if prepared.watcher.eval_loss is not None:
            add(proofs.evaluated(prepared.watcher.eval_loss))
        output, probe = run_dir / OUTPUT, onlooker.probe()
        if isinstance(prepared.model, PeftModel):
            self.document["proved"] += proofs.adapter_reloads(run, prepared.model, stand_in.folder, output, probe)
        else:
            add(proofs.model_reloads(run, prepared.model, output, probe))

    def tell(self, run_dir: Path) -> None:
        """What the trainer found on the way, each once."""
        told = [read_finding(each) for event in _events(run_dir, "findings") for each in event["findings"]]
        known = {finding["code"] for finding in self.document["findings"]}
        for finding in told:
            if finding.code not in known:
                self.document["findings"].append(of_the_rows_tried(finding, len(self.rows)).as_dict())

    def stop(self, error: Exception, finding: Finding, reference: str) -> None:
        log = "".join(traceback.format_exception(error))[-MOST_LOG:] if reference else ""
        self.document.update({"state": "stopped", "reference": reference, "log": log})
        self.document["findings"].append(finding.as_dict())

    def took(self, part: str, since: float | None = None) -> None:
        """Note how long a part took; with `since`, what came before that is the training."""
        now = time.monotonic()
        if since is not None:
            self.document["seconds"]["train"] = round(since - self.lap, 3)
            self.lap = since
        self.document["seconds"][part] = round(now - self.lap, 3)
        self.lap = now

    def finished(self) -> Document:
        if any(finding["severity"] == Severity.ERROR for finding in self.document["findings"]):
            self.document["state"] = "stopped"
        self.document["seconds"]["total"] = round(time.monotonic() - self.started, 3)
        return self.document


def _starts(job: RunFile, stand_in: StandIn) -> Proof:
    stands_for, layers = stand_in.layers.stands_for, len(stand_in.layers.stand_in_of)
    without = left_out(job.settings)
    text = f"The trainer starts on a {stand_in.architecture} with {len(stands_for)} of {layers} layers."
    text += f" Not tried: {', '.join(without)}." if without else ""
    evidence = {"architecture": stand_in.architecture, "layers": list(stands_for), "left_out": without}
    return Proof(code="starts", text=text, evidence=evidence)


def _events(run_dir: Path, kind: str) -> list[dict[str, Any]]:
    lines = (run_dir / EVENTS_FILE).read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == kind]


@contextmanager
def on_the_processor() -> Iterator[None]:
    """Leave GPUs to those who train on them, reach nothing outside, and draw nothing.

    TRL scores tokens that are not learnt from too where there is no GPU. Here it does as on one, because in a model
    this narrow nothing costs as much (measured: nine tenths of the time with a vocabulary of 50,000).
    """
    disable_progress_bars()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    alone = {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    with patch.dict(os.environ, alone), patch("trl.trainer.utils._use_triton", return_value=True), one_thread():
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Matrices this narrow are not worth dividing: two threads took twice the processor's time, and more by the clock
    wherever other programs wanted a core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
