"""What everything is compared with: a bare TRL script that stops after its first step."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.trainer.runs import ROOT, environment

SCRIPT = """
import sys
from datasets import Dataset
from peft import LoraConfig
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

class Tell(TrainerCallback):
    def on_step_end(self, args, state, control, **_):
        print("first step", flush=True)
        control.should_training_stop = True

model, rows, out = sys.argv[1:]
arguments = SFTConfig(out, use_cpu=True, bf16=False, max_length=64, per_device_train_batch_size=4, report_to="none")
SFTTrainer(model, args=arguments, train_dataset=Dataset.from_json(rows, cache_dir=out), callbacks=[Tell()],
           peft_config=LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"])).train()
"""


def bare_seconds(model: Path, rows: Path, out: Path) -> float:
    """Seconds from the start of the script's process to its first step."""
    return seconds_until([sys.executable, "-c", SCRIPT, str(model), str(rows), str(out)], "first step")


def seconds_until(command: list[str], words: str) -> float:
    """From the start of a process until it prints some words; then it is ended."""
    started = time.monotonic()
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if words in line:
                seconds = time.monotonic() - started
                process.kill()
                return seconds
    raise AssertionError("".join(lines))
