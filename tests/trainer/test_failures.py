"""Exceptions become findings that say what to do; what nobody foresaw does not pretend to be understood."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from jobs.rulebook import Finding
from jobs.rulebook.reading import nest
from jobs.trainer.failures import failure, finding_for, less_memory, unexpected
from jobs.trainer.run_file import RunFile
from tests.trainer.runs import SETTINGS


def make_run_file(**changes: Any) -> RunFile:
    changed = {name.replace("__", "."): value for name, value in changes.items()}
    content = {"job": 1, "attempt": 1, "model_path": "m", "dataset_format": "messages", "conversational": True}
    return RunFile(**content, rows=20, facts={}, spec=nest(SETTINGS | changed))


class OutOfMemoryError(RuntimeError):
    """Named like that of torch, which is too heavy to import here."""


class TemplateError(Exception):
    """Named like that of Jinja."""


class SafetensorError(Exception):
    """Named like that of safetensors."""


def found(error: Exception, run: RunFile | None = None) -> Finding:
    finding = finding_for(error, run or make_run_file())
    assert finding is not None
    return finding


def test_out_of_memory_offers_half_the_batch_with_the_same_rows_per_step() -> None:
    finding = found(OutOfMemoryError("CUDA out of memory"), make_run_file(training__batch_size=8))
    assert (finding.code, finding.field) == ("trainer.out-of-memory", "training.batch_size")
    assert finding.fix is not None
    assert finding.fix.changes == {"training.batch_size": 4, "training.gradient_accumulation": 2}
    assert "8 rows of up to 64 tokens" in finding.message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"training__batch_size": 3}, {"training.batch_size": 1, "training.gradient_accumulation": 3}),
        ({"training__gradient_checkpointing": False}, {"training.gradient_checkpointing": True}),
        ({"data__max_length": 1024}, {"data.max_length": 512}),
        ({"data__max_length": 64}, None),
    ],
)
def test_the_mildest_saving_of_memory_comes_first(changes: dict[str, Any], expected: dict[str, Any] | None) -> None:
    fix = less_memory(make_run_file(**{"training__batch_size": 1, **changes}))
    assert (fix.changes if fix else None) == expected


def test_memory_of_the_processor_counts_as_memory() -> None:
    error = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
    assert found(error).code == "trainer.out-of-memory"
    assert found(MemoryError()).code == "trainer.out-of-memory"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_recognised_whoever_reports_it(error: Exception) -> None:
    assert found(error).code == "trainer.disk-full"


@pytest.mark.parametrize(
    ("said", "is_lost"),
    [
        ("CUDA error: uncorrectable ECC error encountered", True),
        ("CUDA error: unknown error", True),
        ("No CUDA GPUs: no CUDA-capable device is detected", True),
        ("CUDA error: device-side assert triggered", False),
        ("CUDA error: an illegal memory access was encountered", False),
    ],
)
def test_a_card_that_failed_is_told_from_a_run_that_did(said: str, is_lost: bool) -> None:
    finding = finding_for(RuntimeError(said), None)
    assert (finding is not None and finding.code == "trainer.gpu-lost") is is_lost


def test_another_error_of_the_disk_is_not_a_full_one() -> None:
    assert finding_for(OSError(errno.EIO, "Input/output error"), make_run_file()) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"quantization": "4bit"}, "quantization"), ({"training__optim": "adamw_8bit"}, "training.optim")],
)
def test_a_lack_of_bitsandbytes_is_cured_by_doing_without(changes: dict[str, Any], field: str) -> None:
    finding = found(ImportError("Using `bitsandbytes` requires it"), make_run_file(**changes))
    assert finding.field == field
    assert finding.fix is not None
    assert list(finding.fix.changes) == [field]


def test_another_missing_package_is_named() -> None:
    assert "scipy" in found(ModuleNotFoundError("No module named 'scipy'", name="scipy")).message


def test_a_missing_part_of_our_own_is_not_taken_for_a_package() -> None:
    assert finding_for(ModuleNotFoundError("No module named 'jobs.x'", name="jobs.x"), make_run_file()) is None


def test_a_refusing_template_is_quoted() -> None:
    finding = found(TemplateError("System role not supported"))
    assert (finding.code, finding.field) == ("trainer.template-refused", "data.dataset")
    assert "System role not supported" in finding.message


def test_a_damaged_model_is_named() -> None:
    finding = found(SafetensorError("header too large"))
    assert (finding.code, finding.field) == ("trainer.model-unreadable", "model.name")
    assert "house/tiny" in finding.message


def test_the_cause_of_an_error_is_looked_at_too() -> None:
    error = RuntimeError("while mapping")
    error.__cause__ = OutOfMemoryError("CUDA out of memory")
    assert found(error).code == "trainer.out-of-memory"


def test_an_understood_failure_is_told_as_it_is() -> None:
    known = failure("no-gradient", "data.dataset", "Nothing is being learnt.")
    assert finding_for(known, None) is known.finding


def test_what_nobody_foresaw_is_not_understood() -> None:
    assert finding_for(ZeroDivisionError("division by zero"), make_run_file()) is None
    assert "ab12cd34" in unexpected("ab12cd34").message


def test_a_run_file_with_an_unknown_key_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"job": 1, "surprise": true}')
    with pytest.raises(ValidationError) as caught:
        RunFile.of(tmp_path)
    finding = finding_for(caught.value, None)
    assert finding is not None
    assert "surprise" in finding.message
    assert "attempt" in finding.message
