"""How much memory a run takes and how long its steps last, measured beside the training without slowing it.

Memory is that of the GPU where there is one. Else it is the process's own above what Python and its libraries took
before anything was loaded, so that it can be held against an estimate. Loading is told apart from training: it maps
the model's files as well, which the system may take back.
"""

from __future__ import annotations

import resource
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

LATEST_STEPS = 1000
"""Steps whose times are remembered; a run of millions has no more to tell."""

FORGET_PEAK = "5"
"""What /proc/self/clear_refs takes as the wish to forget the process's peak, since Linux 4.0."""


class Meter(TrainerCallback):
    """Counts from its making to `report`. Add it to the trainer: loading ends where training begins."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.baseline = 0 if torch.cuda.is_available() else psutil.Process().memory_info().rss
        self.load_peak = self.train_peak = 0
        self.seconds_before: float | None = None
        self.train_seconds: float | None = None
        self.batch: tuple[int, int] | None = None
        self.tokens = 0
        self.steps = 0
        self._step_began: float | None = None
        self._first: float | None = None
        self._later: deque[float] = deque(maxlen=LATEST_STEPS)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.seconds_before = time.monotonic() - self.started
        self.batch = args.per_device_train_batch_size, args.gradient_accumulation_steps
        self.load_peak = peak()
        forget_peak()

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._step_began = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """The first step also makes the optimizer's state and warms every cache, so it is told apart."""
        if self._step_began is None:
            return
        seconds = time.monotonic() - self._step_began
        self.steps += 1
        if self._first is None:
            self._first = seconds
        else:
            self._later.append(seconds)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """TRL counts the tokens it has read, padding left out."""
        self.tokens = int(given["logs"].get("num_tokens") or self.tokens)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.train_peak = peak()
        self.train_seconds = time.monotonic() - self.started - (self.seconds_before or 0)

    @property
    def whole_peak(self) -> int:
        """Most bytes ever held: on the GPU, else by this process with Python and its libraries."""
        return max(self.load_peak, self.train_peak, peak())

    def report(self) -> dict[str, Any]:
        """What result.json says as `measured`: bytes and seconds; a number that could not be had is None.

        `memory_bytes` is the peak of training, `seconds_per_step` the median without the first step.
        """
        per_step = median(self._later) if self._later else self._first
        tokens = self.tokens / self.steps if self.steps else 0
        return {
            "device": "cuda" if torch.cuda.is_available() else "cpu",
            "memory_bytes": max(0, self.train_peak - self.baseline),
            "load_bytes": max(0, self.load_peak - self.baseline),
            "baseline_bytes": self.baseline,
            "reserved_bytes": torch.cuda.max_memory_reserved() if torch.cuda.is_available() else None,
            "batch_size": self.batch[0] if self.batch else None,
            "gradient_accumulation": self.batch[1] if self.batch else None,
            "seconds_before": _rounded(self.seconds_before),
            "train_seconds": _rounded(self.train_seconds),
            "first_step_seconds": _rounded(self._first),
            "seconds_per_step": _rounded(per_step),
            "steps_timed": len(self._later),
            "tokens_per_step": round(tokens) or None,
            "tokens_per_second": round(tokens / per_step, 1) if per_step and tokens else None,
        }


def peak() -> int:
    """Most bytes held since the start or the last `forget_peak`: on the GPU, else by this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return _peak_told_by_linux() or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def forget_peak() -> None:
    """Begin a new peak. Where the system cannot, the next peak is that of everything so far."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text(FORGET_PEAK)


def _peak_told_by_linux() -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
