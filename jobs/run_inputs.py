"""What the trainer is told about a job, in a training and in its rehearsal alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets_app.models import Dataset

from .trainer.run_file import RunFile


def run_file(
    *,
    spec: Mapping[str, Any],
    facts: Mapping[str, Any],
    dataset: Dataset,
    model: Path,
    rows: int,
    eval_rows: int = 0,
    job: int = 0,
    attempt: int = 0,
) -> RunFile:
    """run.json of an attempt; a rehearsal has neither job nor attempt. `rows` is how many lie beside it.

    The last `eval_rows` of them are those of the evaluation dataset; a rehearsal holds out its own.
    """
    return RunFile(
        job=job,
        attempt=attempt,
        spec=dict(spec),
        model_path=str(model),
        dataset_format=dataset.format,
        conversational=dataset.conversational,
        rows=rows,
        eval_rows=eval_rows,
        facts=dict(facts),
    )
