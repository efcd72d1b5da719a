"""Turns what went wrong into a finding: what happened, why, and what to do.

A failure that the person can mend says how. One that nobody foresaw is ours: it gets a reference number, and the
log keeps everything. Exceptions are recognised by name, so that nothing heavy is imported to report a failure.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

from pydantic import ValidationError

from jobs.rulebook import Finding, Fix, Severity
from jobs.rulebook.steps import smaller_batch

from . import known_errors
from .run_file import RunFile


class TrainingError(Exception):
    """A failure that is already understood."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def failure(code: str, field: str | None, message: str, *fixes: Fix) -> TrainingError:
    return TrainingError(_finding(code, field, message, *fixes))


def _finding(code: str, field: str | None, message: str, *fixes: Fix) -> Finding:
    return Finding(f"trainer.{code}", Severity.ERROR, field, message, fixes)


def finding_for(error: BaseException, run: RunFile | None) -> Finding | None:
    """What to tell about `error`, or None when it is not understood."""
    for cause in _chain(error):
        for recognise in _RECOGNISERS:
            if finding := recognise(cause, run):
                return finding
    return None


def unexpected(reference: str) -> Finding:
    message = (
        "Training stopped on a mistake that the portal did not foresee; the job's settings are probably not to blame. "
        f"Give your administrator the reference {reference}: the job's log shows what happened there."
    )
    return _finding("unexpected", None, message)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _is(error: BaseException, *names: str) -> bool:
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _understood(error: BaseException, run: RunFile | None) -> Finding | None:
    return error.finding if isinstance(error, TrainingError) else None


_PROCESSOR_MEMORY = "DefaultCPUAllocator: can't allocate memory"


def _out_of_memory(error: BaseException, run: RunFile | None) -> Finding | None:
    if not (_is(error, "OutOfMemoryError", "MemoryError") or _PROCESSOR_MEMORY in str(error)):
        return None
    if run is None:
        return _finding("out-of-memory", None, "The memory did not suffice to start the training.")
    fix = less_memory(run)
    advice = f"{fix.label}." if fix else "Choose a smaller model or a machine with more memory."
    field = next(iter(fix.changes)) if fix else "model.name"
    size, length = run.settings["training.batch_size"], run.settings["data.max_length"]
    message = (
        f"The memory did not suffice for a batch of {size} rows of up to {length} tokens, "
        f"which has to fit beside the model. {advice}"
    )
    return _finding("out-of-memory", field, message, *([fix] if fix else []))


def less_memory(run: RunFile) -> Fix | None:
    """The mildest change that helps: same rows per step in more batches, then checkpointing, then shorter rows."""
    batch, length = run.settings["training.batch_size"], run.settings["data.max_length"]
    accumulation = run.settings["training.gradient_accumulation"]
    if batch > 1:
        smaller, more = smaller_batch(batch, accumulation)
        changes = {"training.batch_size": smaller, "training.gradient_accumulation": more}
        return Fix(f"Use a batch size of {smaller} and {more} accumulated batches", changes)
    if not run.settings["training.gradient_checkpointing"]:
        return Fix("Turn gradient checkpointing on", {"training.gradient_checkpointing": True})
    if length > 128:
        return Fix(f"Keep {length // 2} tokens of each row", {"data.max_length": length // 2})
    return None


_FULL = ("No space left on device", "os error 28", "Disk quota exceeded")


def _disk_full(error: BaseException, run: RunFile | None) -> Finding | None:
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not full and not any(text in str(error) for text in _FULL):
        return None
    message = (
        "The disk of the training machine is full, so the run could not be saved. "
        "Ask your administrator to free some space, then retry the job."
    )
    return _finding("disk-full", None, message)


_GPU_LOST = (
    "fallen off the bus",
    "GPU is lost",
    "uncorrectable ECC error",
    "no CUDA-capable device is detected",
    "CUDA driver initialization failed",
    "CUDA error: unknown error",
)


def _gpu_lost(error: BaseException, run: RunFile | None) -> Finding | None:
    """A fault of the card or its driver, not of the run."""
    said = next((text for text in _GPU_LOST if text in str(error)), None)
    if said is None:
        return None
    message = (
        f"The GPU of the training machine stopped answering ({said}). If that comes again, your administrator has to "
        "look at the machine: its kernel log names the fault."
    )
    return _finding("gpu-lost", None, message)


def _package_missing(error: BaseException, run: RunFile | None) -> Finding | None:
    if not isinstance(error, ImportError) or (error.name or "").startswith("jobs"):  # our own code is not a package
        return None
    if "bitsandbytes" in str(error) and run is not None:
        return _bitsandbytes_missing(run)
    package = error.name or "a Python package"
    message = (
        f"The training machine lacks {package}, which this job needs. "
        "Ask your administrator to install it, then retry the job."
    )
    return _finding("package-missing", None, message)


def _bitsandbytes_missing(run: RunFile) -> Finding:
    quantized = run.settings["quantization"] != "none"
    field, value = ("quantization", "none") if quantized else ("training.optim", "adamw_torch")
    message = (
        f"{run.settings[field]} needs the package bitsandbytes, which the training machine lacks. "
        f"Set {field} to {value}, or ask your administrator to install the package."
    )
    return _finding("package-missing", field, message, Fix(f"Use {value}", {field: value}))


def _template_refused(error: BaseException, run: RunFile | None) -> Finding | None:
    return template_refused(str(error)) if _is(error, "TemplateError") else None


def template_refused(words: str, row: int | None = None, line: int | None = None) -> Finding:
    which = f"row {row} of the training data" if row else "the training data"
    which = f"line {line} of the dataset" if line else which
    message = (
        f"The model's chat template does not accept {which}: {words}. "
        "Change the data to what the template expects, or choose a model with another template."
    )
    return _finding("template-refused", "data.dataset", message)


def _rows_unreadable(error: BaseException, run: RunFile | None) -> Finding | None:
    if not _is(error, "DatasetGenerationError", "ArrowInvalid", "ArrowTypeError"):
        return None
    message = (
        f"The rows could not be read as one table: {error}. "
        "Every row needs the same columns, with the same kind of value in each."
    )
    return _finding("rows-unreadable", "data.dataset", message)


def _model_unreadable(error: BaseException, run: RunFile | None) -> Finding | None:
    if not _is(error, "SafetensorError", "HfHubHTTPError", "OfflineModeIsEnabled", "LocalEntryNotFoundError"):
        return None
    name = run.model_name if run else "the model"
    message = (
        f"The files of {name} are damaged or not complete: {error}. "
        "Ask your administrator to remove the model and fetch it again."
    )
    return _finding("model-unreadable", "model.name", message)


def _run_file_wrong(error: BaseException, run: RunFile | None) -> Finding | None:
    if not (isinstance(error, ValidationError) and error.title == RunFile.__name__):
        return None
    problems = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg']}" for each in error.errors())
    message = f"run.json cannot be used: {problems}. The portal wrote it wrongly; tell your administrator."
    return _finding("run-file", None, message)


_RECOGNISERS: tuple[Callable[[BaseException, RunFile | None], Finding | None], ...] = (
    _understood,
    _out_of_memory,
    _disk_full,
    _gpu_lost,
    _package_missing,
    _template_refused,
    _rows_unreadable,
    _model_unreadable,
    _run_file_wrong,
    known_errors.recognise,
)
