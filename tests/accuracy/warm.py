"""Keeps a warm process of the portal's own beside the cases, for inspections and rehearsals."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from jobs.warm import client

PATIENCE = 180.0


class Warm:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ[client.SOCKET] = str(path)
        self.path, self._process = path, None if client.is_warm() else self._start(path)

    def keep(self) -> None:
        """Wait until it answers. It ends when code or libraries change, and is then started anew."""
        end = time.monotonic() + PATIENCE
        while not client.is_warm():
            if time.monotonic() > end:
                raise RuntimeError("The warm process did not get warm.")
            if self._process is None or self._process.poll() is not None:
                self._process = self._start(self.path)
            time.sleep(0.1)

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def _start(self, path: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "jobs.warm", str(path)]
        return subprocess.Popen(
            command,
            cwd=client.ROOT,
            env=client.clean_environment(),
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interruption from the keyboard is for us, and we end it
        )
