"""What was found out before, so that an interrupted run goes on and an unchanged case is not tried again.

A verdict counts as long as the code and the libraries stay the same; a training, as long as the trainer does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MODELS = ("tests/architectures.py", "tests/tiny_models.py", "tests/accuracy/tokenizers.py")
TRAINER = (
    *MODELS, "jobs/trainer", "jobs/rulebook/reading.py", "tests/accuracy/training.py", "tests/accuracy/looks.py",
    "tests/accuracy/lab.py",
)  # fmt: skip
PORTAL = (
    *TRAINER, "jobs", "datasets_app", "models_catalog", "tests/accuracy/judge.py", "tests/accuracy/portal.py",
)  # fmt: skip
LIBRARIES = ("torch", "transformers", "peft", "trl", "datasets", "tokenizers")


class Records:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._results = _Memory(folder / "results.jsonl", code(PORTAL))
        self._trainings = _Memory(folder / "trainings.jsonl", code(TRAINER))

    def result(self, key: str) -> dict[str, Any] | None:
        return self._results.known.get(key)

    def keep_result(self, key: str, result: dict[str, Any]) -> None:
        self._results.keep(key, result)

    def training(self, key: str) -> dict[str, Any] | None:
        return self._trainings.known.get(key)

    def keep_training(self, key: str, outcome: dict[str, Any]) -> None:
        self._trainings.keep(key, outcome)


class _Memory:
    """A file of lines; those of other code stay in it, unused."""

    def __init__(self, file: Path, code: str) -> None:
        self.file, self.code = file, code
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        self.known: dict[str, dict[str, Any]] = {line["key"]: line["value"] for line in lines if line["code"] == code}

    def keep(self, key: str, value: dict[str, Any]) -> None:
        self.known[key] = value
        with self.file.open("a") as file:
            file.write(json.dumps({"code": self.code, "key": key, "value": value}) + "\n")


def code(places: Iterable[str]) -> str:
    """A mark of the libraries and of all that stands in some files and folders."""
    digest = hashlib.sha256("".join(f"{name} {version(name)}" for name in LIBRARIES).encode())
    for place in places:
        files = sorted((ROOT / place).rglob("*.py")) if (ROOT / place).is_dir() else [ROOT / place]
        for file in files:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
