"""`python -m jobs.warm SOCKET` is the warm process; `python -m jobs.warm --once` does one task and ends.

The one task is read from standard input and answered on standard output.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import work
from .becoming import TRAINER
from .client import STARTING, reachable
from .preload import LIBRARIES, Watch, preload
from .server import Server
from .tasks import TASKS


def serve(path: Path) -> None:
    """Import everything, and only then let callers in."""
    began = time.monotonic()
    watch = Watch()
    modules = [task.partition(":")[0] for task in (*TASKS.values(), TRAINER, "jobs.trainer.run")]
    preload([*LIBRARIES, *modules])
    with listening(path) as listener:
        print(f"Warm after {time.monotonic() - began:.1f} s.", flush=True)  # noqa: T201 - this is the log
        Server(listener, TASKS, is_stale=watch.has_changed).run()


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A socket that only this account can reach; gone in the end."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        before = os.umask(0o177)
        try:
            with reachable(path) as address:
                listener.bind(address)
        finally:
            os.umask(before)
        own = path.stat().st_ino
        listener.listen(128)
        try:
            yield listener
        finally:
            with suppress(OSError):
                if path.stat().st_ino == own:  # not that of a successor
                    path.unlink()


def once() -> None:
    question = json.loads(sys.stdin.buffer.read())
    answer = os.dup(1)
    work.settle(log=2, seconds=question["seconds"] + STARTING)
    told = work.answer(TASKS, question)
    with os.fdopen(answer, "wb") as output:
        output.write(told)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")
    once() if sys.argv[1] == "--once" else serve(Path(sys.argv[1]))
