"""Several GPUs train one model together: each takes its own batch, and their gradients are averaged."""

from __future__ import annotations

from collections.abc import Iterator

from ..engine import Broken, broken, rule
from ..findings import Fix, Severity
from ..fixes import advice, use
from ..steps import held_out
from ..words import count
from .schedule import Rows

GPUS = "training.num_processes"


@rule(
    code="gpus.too-many",
    severity=Severity.ERROR,
    field=GPUS,
    message="The job asks for {asked} GPUs, and this machine {has}: it would wait for ever. {advice}",
    breaks={"num_processes": 4, "gpus": 2},
)
def too_many(num_processes: int, gpus: int) -> Broken | None:
    """A job waits until its GPUs are free; those that do not exist never are. Without any it runs as one process."""
    if num_processes <= max(1, gpus):
        return None
    fix = use(GPUS, max(1, gpus), f"Use {gpus}" if gpus > 1 else "Use one process")
    has = f"has {gpus}" if gpus else "has none"
    return broken(fix=fix, asked=num_processes, has=has, advice=advice([fix]))


@rule(
    code="gpus.beyond-limit",
    severity=Severity.ERROR,
    field=GPUS,
    message="The job asks for {asked} GPUs, and one person may hold {limit} at once here: it would wait for ever. "
    "{advice}",
    breaks={"num_processes": 4, "gpus_limit": 2},
)
def beyond_limit(num_processes: int, gpus_limit: int) -> Broken | None:
    """The queue gives nobody more GPUs at once than the administrator allows, so such a job would never start."""
    if not gpus_limit or num_processes <= gpus_limit:
        return None
    fix = use(GPUS, gpus_limit)
    return broken(fix=fix, asked=num_processes, limit=gpus_limit, advice=advice([fix]))


@rule(
    code="gpus.too-few-rows",
    severity=Severity.WARNING,
    field=GPUS,
    message="{gpus} GPUs with batches of {batch} take {together} at a time, and there are only {usable}: every step "
    "would see some rows twice. {advice}",
    breaks={"num_processes": 4, "batch_size": 4, "rows": 12, "bad_row_count": 0},
)
def too_few_rows(
    num_processes: int, batch_size: int, dataset: Rows, eval_fraction: float = 0.0, packing: bool = False
) -> Broken | None:
    """All GPUs need a batch of the same size, so accelerate begins again with the first rows to fill the last ones."""
    usable = dataset.usable - held_out(dataset.usable, eval_fraction)
    if packing or num_processes < 2 or batch_size < 1 or not 0 < usable < batch_size * num_processes:
        return None
    fixes = tuple(_with_enough(usable, batch_size, num_processes))
    return broken(
        fixes=fixes,
        gpus=num_processes,
        batch=batch_size,
        together=count(batch_size * num_processes, "row"),
        usable=count(usable, "row"),
        advice=advice(fixes),
    )


def _with_enough(usable: int, batch_size: int, num_processes: int) -> Iterator[Fix]:
    if usable >= num_processes:
        yield use("training.batch_size", usable // num_processes, f"Use batches of {usable // num_processes}")
    gpus = max(1, usable // batch_size)
    yield use(GPUS, gpus, f"Use {count(gpus, 'GPU')}")


@rule(
    code="gpus.retry-with-smaller-batches",
    severity=Severity.ERROR,
    field="training.auto_find_batch_size",
    message="A run on {gpus} GPUs cannot start again with smaller batches by itself: where one of them runs out of "
    "memory, the others wait in the middle of a step. Turn that off, or use one GPU.",
    breaks={"num_processes": 2, "auto_find_batch_size": True},
)
def retry_with_smaller_batches(num_processes: int, auto_find_batch_size: bool) -> Broken | None:
    """The process that ran out of memory replaces itself, and the group that its ranks form cannot take it back."""
    if num_processes < 2 or not auto_find_batch_size:
        return None
    fixes = (
        use("training.auto_find_batch_size", False, "Do not try again"),
        use(GPUS, 1, "Use one GPU"),
    )
    return broken(fixes=fixes, gpus=num_processes)
