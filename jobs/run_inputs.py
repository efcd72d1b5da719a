"""What the trainer is told about a job, in a training and in its rehearsal alike, and the rows it is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from datasets_app.models import Dataset

from .models import Job
from .partial import checkpoint_stores
from .run_folder import RunFolder
from .trainer.run_file import RunFile

Tell = Callable[[str], None]
ROWS_PER_WORD = 1000
"""Rows between two words on how far the copying is."""


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
    **more: Any,
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
        **more,
    )


def write_inputs(job: Job, model: Path, checkpoint_minutes: float, tell: Tell) -> dict[str, int]:
    """run.json of the current attempt, and the usable rows beside it; answers what there is to say of the rows.

    The trainer is shown the checkpoints of earlier attempts, and the weights of the job that this one continues.
    """
    dataset = job.dataset
    if dataset is None:
        raise LookupError("The dataset was deleted.")  # the review has just found it
    folder, earlier = RunFolder(job.run_dir), job.continued_from
    counted = _Counted()
    lines = chain(_lines(dataset, tell), counted.through(_evaluation_lines(job, tell)))
    rows = write_whole(folder.train_file, lines)
    told = run_file(
        spec=job.spec,
        facts=job.facts,
        dataset=dataset,
        model=model,
        rows=rows,
        eval_rows=counted.number,
        job=job.pk,
        attempt=job.attempt,
        checkpoints=[str(store) for store in checkpoint_stores(job, before=job.attempt)],
        start_from=str(RunFolder(earlier.run_dir).output) if earlier else None,
        checkpoint_minutes=checkpoint_minutes,
    )
    write_whole(folder.run_file, [told.model_dump_json(indent=2)])
    return {"rows_of_dataset": dataset.rows, "rows_left_out": dataset.rows - rows + counted.number}


class _Counted:
    def __init__(self) -> None:
        self.number = 0

    def through(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            self.number += 1
            yield line


def _evaluation_lines(job: Job, tell: Tell) -> Iterator[str]:
    if given := job.spec["data"].get("eval_dataset"):
        yield from _lines(Dataset.objects.visible_to(job.owner).get(pk=given), tell)


def _lines(dataset: Dataset, tell: Tell) -> Iterator[str]:
    for number, row in enumerate(dataset.good_rows(), start=1):
        if number % ROWS_PER_WORD == 0:
            tell(f"Copying rows… {number} of {dataset.usable_rows}")
        yield json.dumps(row, ensure_ascii=False) + "\n"


def write_whole(path: Path, parts: Iterable[str]) -> int:
    """Write a file so that it is there whole or not at all; answers how many parts it has."""
    growing = path.with_name(f"{path.name}.part")
    count = 0
    with growing.open("w", encoding="utf-8") as file:
        for count, part in enumerate(parts, start=1):  # noqa: B007 - counted, and read after the loop
            file.write(part)
    growing.replace(path)
    return count
