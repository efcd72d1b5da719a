"""One more try with smaller batches where memory ran out and the job's owner allowed it.

The process replaces itself: nothing that the first try had taken of the memory outlives that, and whoever watches the
process sees one that goes on.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jobs.rulebook import Finding, Severity
from jobs.rulebook.steps import smaller_batch

from .events import Events
from .failures import finding_for
from .folder import RUN_FILE
from .run_file import RunFile


def may_retry(error: Exception, run: RunFile | None) -> bool:
    """Memory ran out, the owner allowed it, the batch can be divided, and this is not the second try."""
    if run is None or not run.settings["training.auto_find_batch_size"] or run.settings["training.batch_size"] < 2:
        return False
    finding = finding_for(error, run)
    return finding is not None and finding.code == "trainer.out-of-memory"


def retry(run_dir: Path, run: RunFile, events: Events) -> None:
    """Start again with smaller batches and as many more of them in a step. Never returns.

    The steps are of the same rows, so the second try goes on from a checkpoint of the first.
    """
    again, told = with_smaller_batch(run)
    (run_dir / RUN_FILE).write_text(again.model_dump_json(indent=2))
    events.findings([told])
    events.stage("loading", "Memory ran out; going on with smaller batches")
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "jobs.trainer", str(run_dir)])  # noqa: S606 - ourselves


def with_smaller_batch(run: RunFile) -> tuple[RunFile, Finding]:
    """What the second try is told, and what the person is told about it."""
    before = run.settings["training.batch_size"]
    batch, accumulation = smaller_batch(before, run.settings["training.gradient_accumulation"])
    changes = {
        "training.batch_size": batch,
        "training.gradient_accumulation": accumulation,
        "training.auto_find_batch_size": False,  # once only
    }
    message = (
        f"Batches of {before} rows did not fit into memory, so the run went on with batches of {batch} and "
        f"{accumulation} of them accumulated: every step still sees the same number of rows."
    )
    finding = Finding("trainer.smaller-batch", Severity.WARNING, "training.batch_size", message)
    return RunFile(**{**run.model_dump(), "spec": run.choices.changed(changes).spec()}), finding
