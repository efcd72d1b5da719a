"""Makes run folders and trains them with the real command, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.rulebook.reading import nest

ROOT = Path(__file__).parents[2]
LLAMA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SETTINGS = {
    "name": "tiny",
    "model.name": "house/tiny",
    "data.dataset": "1",
    "data.strategy": "chat",
    "data.max_length": 64,
    "training.method": "sft",
    "training.num_epochs": 2,
    "training.learning_rate": 0.01,
    "lora.target_modules": LLAMA_TARGETS,
}


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _question(number: int) -> str:
    return f"What is {number} and 2?"


def _answer(number: int) -> str:
    return f"The answer is {number + 2}."


ROWS: dict[str, list[dict[str, Any]]] = {
    "messages": [{"messages": [_turn("user", _question(n)), _turn("assistant", _answer(n))]} for n in range(24)],
    "text": [{"text": f"{_question(n)} {_answer(n)}"} for n in range(24)],
    "prompt_completion": [{"prompt": _question(n), "completion": " " + _answer(n)} for n in range(24)],
    "preference": [{"prompt": _question(n), "chosen": " " + _answer(n), "rejected": " The sky."} for n in range(24)],
    "preference_chat": [
        {"prompt": [_turn("user", _question(n))], "chosen": [_turn("assistant", _answer(n))],
         "rejected": [_turn("assistant", "The sky is blue.")]} for n in range(24)
    ],
}  # fmt: skip


def make_run(
    run_dir: Path, model: Path, kind: str = "messages", *, rows: list[dict[str, Any]] | None = None, **changes: Any
) -> Path:
    """A run folder for rows of one `kind` of ROWS. Settings are changed with `__` for the dot: `lora__r=4`."""
    run_dir.mkdir(parents=True, exist_ok=True)
    rows = rows if rows is not None else ROWS[kind]
    (run_dir / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    changed = {name.replace("__", "."): value for name, value in changes.items()}
    content = {
        "job": 1,
        "attempt": 1,
        "spec": nest(SETTINGS | changed),
        "model_path": str(model),
        "dataset_format": kind.removesuffix("_chat"),
        "conversational": kind in ("messages", "preference_chat"),
        "rows": len(rows),
        "facts": {"lora_targets": LLAMA_TARGETS},
    }
    (run_dir / "run.json").write_text(json.dumps(content))
    return run_dir


@dataclass
class Outcome:
    """How a run ended: its exit code, what it said, and what it printed."""

    run_dir: Path
    code: int
    log: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.run_dir / "events.jsonl").read_text().splitlines()]

    def said(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each["event"] == event]

    @property
    def losses(self) -> list[float]:
        return [each["loss"] for each in self.said("step")]

    @property
    def finding(self) -> dict[str, Any]:
        return self.said("failed")[0]["finding"]

    @property
    def output(self) -> Path:
        return self.run_dir / "output"


def command(run_dir: Path) -> list[str]:
    return [sys.executable, "-m", "jobs.trainer", str(run_dir)]


def environment() -> dict[str, str]:
    """One thread: models this small only lose time by dividing their work."""
    return {**os.environ, "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}


def train(run_dir: Path) -> Outcome:
    ended = subprocess.run(command(run_dir), cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)
    return Outcome(run_dir, ended.returncode, ended.stdout + ended.stderr)
