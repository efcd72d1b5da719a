"""The checkpoints of all attempts at a job, and what it has learnt by the last: the output of one that was stopped."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any

from .models import Job
from .run_folder import RunFolder
from .trainer.checkpoints import Checkpoint, last_complete

logger = logging.getLogger(__name__)


def checkpoint_stores(job: Job, before: int | None = None) -> list[Path]:
    """The folders of checkpoints of all attempts, or those before attempt `before`, the newest attempt first."""
    newest = job.attempt if before is None else before - 1
    stores = (RunFolder(job.run_dir.with_name(str(number))).checkpoints for number in range(newest, 0, -1))
    return [store for store in stores if store.is_dir()]


def forget_earlier_checkpoints(job: Job) -> None:
    """Those of attempts before the current one, which nothing needs once it has written its own."""
    for store in checkpoint_stores(job, before=job.attempt):
        shutil.rmtree(store, ignore_errors=True)


def partial_result(job: Job) -> dict[str, Any]:
    """Lay the weights of the last checkpoint into the output, and list them as a result does; empty without any."""
    checkpoint = last_complete(checkpoint_stores(job))
    if checkpoint is None:
        return {}
    try:
        _lay_out(checkpoint, RunFolder(job.run_dir).output)
    except OSError:  # a full disk: the checkpoint stays where it is
        logger.exception("Job %s: what it has learnt could not be laid out", job.pk)
        return {}
    return {"artifacts": checkpoint.artifacts, "partial": {"step": checkpoint.step}}


def _lay_out(checkpoint: Checkpoint, output: Path) -> None:
    """Linked, so that it takes no room; the checkpoint may then be deleted."""
    aside = output.with_name(f"{output.name}.partial-{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for each in checkpoint.artifacts:
        source, target = checkpoint.folder / each["name"], aside / each["name"]
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:  # a file system without links
            shutil.copyfile(source, target)
    shutil.rmtree(output, ignore_errors=True)  # of a trainer that was killed before it told its result
    aside.rename(output)
