"""Doing one task, in a process that exists for it alone: its limits, and its answer."""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import pkgutil
import resource
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1  # prctl(2)
MOST_THREADS = 4
"""Of a small task, which is not to keep a training from its processors."""
LACKS_MEMORY = ("can't allocate memory", "not enough memory", "Cannot allocate memory", "std::bad_alloc")
C_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None


def answer(tasks: Mapping[str, str], question: Mapping[str, Any]) -> bytes:
    """Do what is asked, under the question's limits; always answers, unless the process itself breaks down."""
    try:
        do = pkgutil.resolve_name(tasks[question["task"]])  # imports, which the limits are not about
        before = limit_memory(question["memory"])
        try:
            return json.dumps({"answer": do(**question["arguments"])}).encode()
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, before)  # telling what happened needs some too
    except BaseException as error:
        traceback.print_exc()
        reason = "memory" if lacks_memory(error) else "failed"
        message = "" if reason == "memory" else f"{type(error).__name__}: {error}"[:2000]
        return json.dumps({"unanswered": reason, "message": message}).encode()


def lacks_memory(error: BaseException) -> bool:
    """torch raises a RuntimeError where Python would raise a MemoryError."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in LACKS_MEMORY)


def settle(log: int, seconds: float) -> None:
    """Make the process its own: a session that can be ended as one, no way to the terminal, no traces."""
    if os.getsid(0) != os.getpid():
        os.setsid()
    _end_with_the_parent()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, errors="replace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="replace", closefd=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    faulthandler.enable(sys.stderr)  # so that a crash of native code leaves a trace in the log
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    processor = int((seconds + 1) * (os.cpu_count() or 1)) + 1  # seconds of all its threads together
    resource.setrlimit(resource.RLIMIT_CPU, (processor, processor + 5))
    _let_the_kernel_choose_this_one()
    _use_few_threads()


def limit_memory(more: int) -> tuple[int, int]:
    """Let the process take `more` bytes than it has now; answers with the limit before. Only Linux keeps to it."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return before
    [now] = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:")]
    resource.setrlimit(resource.RLIMIT_DATA, (now + more, before[1]))
    return before


def _use_few_threads() -> None:
    """Where nobody has said how many. Trainings use all that there are; torch may be imported already, or not yet."""
    if "OMP_NUM_THREADS" in os.environ:
        return
    threads = min(os.cpu_count() or 1, MOST_THREADS)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)


def _end_with_the_parent() -> None:
    """When the warm process is killed outright, its sessions must not live on."""
    if C_LIBRARY is not None:
        C_LIBRARY.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _let_the_kernel_choose_this_one() -> None:
    """When the machine runs out of memory, this process is to go, not a training."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return
