"""run.json: everything the trainer is told."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from jobs.rulebook import Choices, read

from .folder import RUN_FILE


class RunFile(BaseModel):
    """One attempt of one job. The rows lie beside it in train.jsonl: clean, and with the trained columns only.

    The last `eval_rows` of all `rows` are those of the evaluation dataset. `checkpoints` are the folders of that name
    of earlier attempts, newest attempt first: the run goes on from the last sound checkpoint in them or in its own.
    `start_from` is the output of a finished job whose weights a new run begins with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: int
    attempt: int
    spec: dict[str, Any]
    model_path: str
    dataset_format: str
    conversational: bool
    rows: int
    eval_rows: int = 0
    checkpoints: list[str] = []
    start_from: str | None = None
    checkpoint_minutes: float = 10.0
    facts: dict[str, Any]

    @classmethod
    def of(cls, run_dir: Path) -> RunFile:
        """Read the run file of a folder. Raises FileNotFoundError or pydantic's ValidationError."""
        return cls.model_validate_json((run_dir / RUN_FILE).read_bytes())

    @cached_property
    def choices(self) -> Choices:
        return read(self.spec)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Every setting by its dotted name, defaults filled in."""
        return self.choices.effective

    @property
    def method(self) -> str:
        return str(self.settings["training.method"])

    @property
    def lora(self) -> bool:
        return bool(self.settings["lora.enabled"])

    @property
    def model_name(self) -> str:
        return str(self.settings["model.name"])
