"""python -m tests.trainer.short_of_memory RUN_DIR: the real trainer, whose first step finds no memory."""

from __future__ import annotations

import sys
from typing import Any

import torch
from transformers import TrainerCallback

from jobs.trainer import run
from jobs.trainer.__main__ import main


class NoMemory(TrainerCallback):
    def on_step_begin(self, *_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


really_train = run.train


def train(prepared: Any, *rest: Any) -> None:
    prepared.trainer.add_callback(NoMemory())
    really_train(prepared, *rest)


run.train = train
sys.exit(main())
