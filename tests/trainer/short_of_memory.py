"""python -m tests.trainer.short_of_memory RUN_DIR: the real trainer, which finds no memory for its third step."""

from __future__ import annotations

import sys
from typing import Any

import torch
from transformers import TrainerCallback

from jobs.trainer import run
from jobs.trainer.__main__ import main


class NoMemory(TrainerCallback):
    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step < 2:
            return
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


really_train = run.train


def train(prepared: Any, *rest: Any) -> None:
    prepared.trainer.add_callback(NoMemory())
    really_train(prepared, *rest)


run.train = train
sys.exit(main())
