"""Several processes that train one model together, a GPU each: started, watched and ended as one.

They are told their place as torchrun tells it. It starts its processes in sessions of their own, which whoever ends
this one's group does not reach, and ends with 1 whatever theirs ended with; so they are started here. They meet at a
file: nothing listens on the network.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from .folder import EVENTS_FILE, RANKS
from .stopping import EXIT_CODE

PR_SET_PDEATHSIG = 1  # prctl(2)
POLL = 0.05
TOGETHER = 30.0
"""Seconds that the others may take once one has ended well: they wait for each other before they end."""
AFTER_A_FAILURE = 1.0
"""Seconds in which others may say what they have met too. After that they would wait for the dead one for ever."""
BREAKDOWNS = (signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
"""Signals that end a process for its own reasons. Others, as SIGABRT, may come of another one's end."""

Rank = subprocess.Popen[bytes]


def run_together(run_dir: Path, number: int) -> int:
    """Train with so many processes. The exit code is that of a single trainer: 0, 1 or 143; a broken one breaks all."""
    folder = run_dir / RANKS
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    ranks = [start(run_dir, folder, rank, number) for rank in range(number)]
    stopped = pass_on_stop(ranks)
    code = common(watch(ranks), stopped=stopped.is_set())
    if code < 0:
        die_of(-code)
    if code == 1:
        tell_first_failure(folder, run_dir / EVENTS_FILE)
    if code == 0:
        shutil.rmtree(folder, ignore_errors=True)
    return code


def start(run_dir: Path, folder: Path, rank: int, number: int) -> Rank:
    """Descriptors that were passed on to this process, the locks, are passed on once more."""
    return subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", "jobs.trainer", str(run_dir)],
        env={**os.environ, **place(folder, rank, number)},
        close_fds=False,
        preexec_fn=_end_with_the_first,
    )


def place(folder: Path, rank: int, number: int) -> dict[str, str]:
    """A process's place among the others. All talk over loopback, and share the processors."""
    threads = max(1, len(os.sched_getaffinity(0)) // number)
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(number),
        "LOCAL_WORLD_SIZE": str(number),
        "MASTER_ADDR": "127.0.0.1",
        "FORETUNE_MEETING": str(folder / "meeting"),
        "GLOO_SOCKET_IFNAME": "lo",
        "NCCL_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
    }


def _end_with_the_first() -> None:
    """Runs in the child: no rank outlives the process that watches it, which all others take for the trainer."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def pass_on_stop(ranks: Sequence[Rank]) -> threading.Event:
    """SIGTERM to this process alone reaches all. Most often it came to the whole group, and they have it already."""
    came = threading.Event()

    def receive(number: int, frame: FrameType | None) -> None:
        came.set()
        for rank in ranks:
            with suppress(ProcessLookupError):
                rank.send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, receive)
    return came


def watch(ranks: Sequence[Rank]) -> list[int | None]:
    """How each ended by itself; None for those that had to be ended, because another one had."""
    patience: float | None = None
    while (codes := [rank.poll() for rank in ranks]).count(None):
        if any(code not in (None, 0, EXIT_CODE) for code in codes):
            patience = min(patience or time.monotonic() + TOGETHER, time.monotonic() + AFTER_A_FAILURE)
        elif any(code is not None for code in codes):
            patience = patience or time.monotonic() + TOGETHER
        if patience and time.monotonic() >= patience:
            break
        time.sleep(POLL)
    for rank in ranks:
        rank.kill()
        rank.wait()
    return codes


def common(codes: Sequence[int | None], *, stopped: bool = False) -> int:
    """One exit code for all: the worst, unless the first process has finished, which writes the result.

    Of those that were asked to stop, one may be gone before another, which then misses it.
    """
    if codes[0] == 0:
        return 0
    if stopped and EXIT_CODE in codes:
        return EXIT_CODE
    signals = [code for code in codes if code is not None and code < 0]
    for code in signals:
        if -code in BREAKDOWNS:
            return code
    if 1 in codes or not signals:
        return 1 if 1 in codes else EXIT_CODE
    return signals[0]


def die_of(number: int) -> None:
    """End as a rank has ended, so that whoever watches sees the same."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def tell_first_failure(folder: Path, events: Path) -> None:
    """Of what the processes met, the first is the reason; the others have lost touch with one that had failed."""
    lines = [line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]
    failures: list[dict[str, Any]] = [event for event in map(json.loads, lines) if event["event"] == "failed"]
    if failures:
        first = min(failures, key=lambda event: str(event["at"]))
        with events.open("a", encoding="utf-8") as file:
            file.write(json.dumps(first, ensure_ascii=False) + "\n")
