"""A portal of its own on disk, for tests in which several processes meet in one database."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class RealPortal:
    """With `warm`, the socket of a warm process that is there already, its models are looked into by that one."""

    def __init__(self, home: Path, warm: Path | None = None) -> None:
        self.home = home
        if warm:
            (home / "warm").mkdir(parents=True)
            (home / "warm" / "socket").symlink_to(warm)
        self.environment = {
            **os.environ,
            "FORETUNE_HOME": str(home),
            "DATABASE_URL": "",
            "FORETUNE_CHECKPOINT_MINUTES": "0.02",
            "FORETUNE_ALLOWED_HOSTS": "testserver",
        }
        self.manage("migrate", "--verbosity", "0")

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def do(self, function: str, *arguments: Any) -> Any:
        """Call a function of inside_portal.py in a process of the portal."""
        call = f"print(json.dumps(inside_portal.{function}(*{arguments!r})))"
        code = f"import json; from tests.jobs import inside_portal; {call}"
        return json.loads(self.manage("shell", "--verbosity", "0", "--no-imports", "--command", code))

    def job(self, pk: int) -> dict[str, Any]:
        """The row as it is now; JSON columns are read."""
        [row] = self._rows("SELECT * FROM jobs_job WHERE id = ?", pk)
        return row | {name: json.loads(row[name] or "null") for name in ("metrics", "error", "result", "progress")}

    def attempts(self, pk: int) -> list[dict[str, Any]]:
        return self._rows("SELECT * FROM jobs_attempt WHERE job_id = ? ORDER BY number", pk)

    def _rows(self, question: str, pk: int) -> list[dict[str, Any]]:
        with sqlite3.connect(self.home / "foretune.sqlite3", timeout=20) as database:
            database.row_factory = sqlite3.Row
            rows = [dict(row) for row in database.execute(question, [pk])]
        database.close()
        return rows

    def wait(self, pk: int, until: Callable[[dict[str, Any]], bool], seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while not until(job := self.job(pk)):
            assert time.monotonic() < deadline, f"{job}\n{self.log(pk)}"
            time.sleep(0.2)
        return job

    def log(self, pk: int) -> str:
        logs = sorted((self.home / "runs" / str(pk)).rglob("*.txt")) + sorted((self.home / "runs").rglob("*.log"))
        return "\n".join(log.read_text()[-3000:] for log in logs)

    def has_checkpoint(self, pk: int) -> bool:
        return any((self._attempt(pk) / "checkpoints").glob("checkpoint-*"))

    def trainer_pid(self, pk: int) -> int:
        return int((self._attempt(pk) / "trainer.pid").read_text())

    def shim_pid(self, pk: int) -> int:
        return int((self._attempt(pk) / "shim.pid").read_text())

    def _attempt(self, pk: int) -> Path:
        return self.home / "runs" / str(pk) / "1"
