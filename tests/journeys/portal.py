"""A whole portal for a test: its own home, its own database, the real `serve` command with queue and workers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(r"http://localhost:(\d+)")
START_SECONDS = 120


@dataclass(frozen=True)
class Portal:
    """Where it answers, and the environment in which its commands run."""

    address: str
    environment: dict[str, str]

    def manage(self, *arguments: str) -> str:
        """Run a management command of this portal; answers what it prints."""
        return manage(self.environment, *arguments)


def environment_of(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FORETUNE_", "DATABASE_URL"))}
    return kept | {"FORETUNE_HOME": str(home), "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}


def manage(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def serve(home: Path) -> Iterator[Portal]:
    """Start the portal on a free port, and stop it again."""
    environment = environment_of(home)
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "serve", "--port", "0"],
        env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield Portal(_address(process), environment)
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout:
            process.stdout.close()


def _address(process: subprocess.Popen[str]) -> str:
    """The address it prints when it is ready."""
    lines: Queue[str] = Queue()
    assert process.stdout is not None
    threading.Thread(target=lambda out: [lines.put(line) for line in out], args=(process.stdout,), daemon=True).start()
    said: list[str] = []
    try:
        while not (said and (found := READY.search(said[-1]))):
            said.append(lines.get(timeout=START_SECONDS))
    except Empty:
        raise AssertionError("The portal did not start:\n" + "".join(said)) from None
    return found[0]
