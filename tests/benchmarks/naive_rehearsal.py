"""A warm process that can do the portal's tasks, and the rehearsal that comes to mind first.

`python -m tests.benchmarks.naive_rehearsal SOCKET`
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from jobs.warm import tasks
from jobs.warm.__main__ import listening
from jobs.warm.preload import LIBRARIES, preload
from jobs.warm.server import Server

TASKS = {**tasks.TASKS, "naive": f"{__name__ if __name__ != '__main__' else 'tests.benchmarks.naive_rehearsal'}:train"}


def train(model_folder: str, rows: list[dict[str, Any]], scratch: str, max_length: int) -> dict[str, Any]:
    """The same stand-in, and TRL's trainer for two steps on the longest rows, with nothing looked at or proved."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from jobs.rehearsal.stand_in import make_stand_in

    folder = make_stand_in(Path(model_folder), Path(scratch) / "model").folder
    longest = sorted((each["row"] for each in rows), key=lambda row: len(str(row)))[-4:]
    plain: dict[str, Any] = {"use_cpu": True, "bf16": False, "report_to": "none", "disable_tqdm": True}
    arguments = SFTConfig(f"{scratch}/out", max_steps=2, max_length=max_length, per_device_train_batch_size=2, **plain)
    trainer = SFTTrainer(
        str(folder),
        args=arguments,
        processing_class=AutoTokenizer.from_pretrained(folder),
        train_dataset=Dataset.from_list(longest),
        peft_config=LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear"),
    )
    return {"loss": trainer.train().training_loss}


if __name__ == "__main__":
    preload([*LIBRARIES, *(task.partition(":")[0] for task in TASKS.values())])
    with listening(Path(sys.argv[1])) as listener:
        Server(listener, TASKS).run()
