"""A process that has imported the training libraries once and forks a child for each thing to do.

It reads one JSON object a line from standard input and answers each with one: `{"do": "train", "limit": 60, …}`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MEMORY = 6 * 1024**3


class Lab:
    """The portal's side of that process."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("ab")
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1",
                       "TQDM_DISABLE": "1", "CUDA_VISIBLE_DEVICES": ""}  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "tests.accuracy.lab"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,  # an interruption from the keyboard is for us, and we end it
        )

    def ask(self, do: str, limit: float = 90, **arguments: Any) -> dict[str, Any]:
        if self._process.poll() is not None:  # something else on the machine took its memory
            self._process = self._start()
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"do": do, "limit": limit, **arguments}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.terminate()
        self._process.wait(10)
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()


def serve() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _import_libraries()
    for line in sys.stdin:
        answers.write(json.dumps(_in_a_child(json.loads(line))) + "\n")
        answers.flush()


def _import_libraries() -> None:
    import datasets
    import peft  # noqa: F401
    import torch
    import transformers
    from trl.trainer.dpo_trainer import DPOTrainer  # noqa: F401
    from trl.trainer.sft_trainer import SFTTrainer  # noqa: F401

    from . import training  # noqa: F401

    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    transformers.utils.logging.set_verbosity_error()


def _in_a_child(task: dict[str, Any]) -> dict[str, Any]:
    limit = task.pop("limit")
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        os.close(receive)
        _work(task, send)
    os.close(send)
    started = time.monotonic()
    answer, code = _read(receive, started + limit), None
    if answer is None:
        os.kill(child, signal.SIGKILL)
    _, code = os.waitpid(child, 0)
    if answer is None:
        return _failed("timeout", f"not done after {limit:.0f} seconds")
    return json.loads(answer) if answer else _failed("crash", f"the process ended with {code}")


def _failed(outcome: str, words: str) -> dict[str, Any]:
    return {"outcome": "fails", "code": outcome, "error": words, "symptoms": [], "seconds": 0}


def _read(descriptor: int, until: float) -> bytes | None:
    """All that the child says; None when it does not end in time."""
    import select

    parts = []
    with os.fdopen(descriptor, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0, until - time.monotonic()))[0]:
            part = pipe.read(1 << 20)
            if not part:
                return b"".join(parts)
            parts.append(part)
    return None


def _work(task: dict[str, Any], send: int) -> None:
    """In the child. Never returns."""
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        answer = _DO[task.pop("do")](**task)
    except BaseException as error:
        answer = _failed("lab", f"{type(error).__name__}: {error}"[:300])
    with os.fdopen(send, "w") as pipe:
        json.dump(answer, pipe)
    os._exit(0)


def make(folder: str, kind: str, tokenizer: str, config: dict[str, Any]) -> dict[str, Any]:
    """A model folder of the project's own."""
    from tests.architectures import make_architecture

    from .tokenizers import make_tokenizer

    place = Path(folder)
    make_architecture(place, kind)
    make_tokenizer(place, tokenizer)
    if config:
        written = json.loads((place / "config.json").read_text())
        (place / "config.json").write_text(json.dumps(written | config))
    return {}


def train(**arguments: Any) -> dict[str, Any]:
    from .training import train_folder

    return train_folder(**arguments)


_DO = {"make": make, "train": train}

if __name__ == "__main__":
    serve()
