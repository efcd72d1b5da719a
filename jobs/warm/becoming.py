"""A fork of the warm process becomes a trainer: in nothing worse than one that is started afresh.

The caller passes descriptors: the log, and the locks that the trainer holds. The fork tells who it is with a
descriptor of its own process, and begins only when the caller says so: a caller that was too impatient to wait has
started another trainer, and two at once would be a disaster.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from .client import LENGTH, ROOT

TRAIN = "train"
"""The task of a question that wants a trainer."""
TRAINER = "jobs.trainer.__main__:main"
BEGIN = b"b"
DECIDING = 5.0
"""Seconds after which a caller that says nothing has gone."""
READ_AT_IMPORT = (
    "ACCELERATE_", "BITSANDBYTES_", "BNB_", "DATASETS_", "HF_", "HOME", "HUGGINGFACE_", "KMP_", "LANG", "LC_", "LD_",
    "MALLOC_", "MKL_", "NUMEXPR_", "OMP_", "OPENBLAS_", "PEFT_", "PYTHON", "PYTORCH_", "SAFETENSORS_", "TMPDIR",
    "TOKENIZERS_", "TORCH", "TRANSFORMERS_", "TRL_", "USE_", "VIRTUAL_ENV", "XDG_",
)  # fmt: skip
"""Variables that Python or a library has read by now, so that setting them after a fork changes nothing."""


def why_not(asked: Mapping[str, Any]) -> str:
    """Why a fork of this process cannot become that trainer, or nothing."""
    if different := different_variables(os.environ, asked["environment"]):
        return f"{', '.join(different)} differ from what the libraries have read."
    if threading.active_count() > 1:
        return "More than one thread runs."
    if gpu_was_touched():
        return "The GPU was used before the fork."
    return ""


def different_variables(have: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    names = sorted(name for name in {*have, *wanted} if name.startswith(READ_AT_IMPORT))
    return [name for name in names if have.get(name) != wanted.get(name)]


def gpu_was_touched() -> bool:
    """CUDA does not survive a fork; its driver keeps devices open from the first call on."""
    torch = sys.modules.get("torch")
    if torch is not None and (torch.cuda.is_initialized() or torch.cuda._is_in_bad_fork()):
        return True
    with suppress(OSError):
        return any(str(each.readlink()).startswith("/dev/nvidia") for each in Path("/proc/self/fd").iterdir())
    return False


def become(connection: socket.socket, asked: Mapping[str, Any], descriptors: Sequence[int], do: str) -> NoReturn:
    """The fork's whole life. `descriptors` are the log and the locks."""
    code = 1
    try:
        log, *locks = descriptors
        os.setsid()
        _settle(asked, log, locks)
        if _may_begin(connection):
            code = _run(pkgutil.resolve_name(do), ["python -m jobs.trainer", *asked["arguments"]])
    except BaseException:
        traceback.print_exc()
    finally:
        _end(code)


def _settle(asked: Mapping[str, Any], log: int, locks: Sequence[int]) -> None:
    """The surroundings that `subprocess.Popen` would have made. Raises when they cannot be had."""
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _be_killed_no_sooner(asked["oom_score_adj"])
    sys.stdout.flush()
    sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    for lock in locks:
        os.set_inheritable(lock, True)  # a second try of the trainer replaces the process
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(asked["environment"])
    gc.enable()


def _be_killed_no_sooner(asked: str) -> None:
    """When memory runs out, the kernel is to treat this process as the caller's own child."""
    score = Path("/proc/self/oom_score_adj")
    if score.exists() and score.read_text().strip() != asked:
        score.write_text(asked)


def _may_begin(connection: socket.socket) -> bool:
    """Tell the caller who this is, and wait for its word."""
    this = os.pidfd_open(os.getpid())
    body = json.dumps({"ready": os.getpid()}).encode()
    socket.send_fds(connection, [LENGTH.pack(len(body)) + body], [this])
    os.close(this)
    heard, _, _ = select.select([connection], [], [], DECIDING)  # the server shares it, and does not block on it
    said = connection.recv(len(BEGIN)) if heard else b""
    connection.close()
    return said == BEGIN


def _run(main: Callable[[], int], arguments: list[str]) -> int:
    """What `python -m` does with a main function."""
    sys.argv = arguments
    try:
        return main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)


def _end(code: int) -> NoReturn:
    """As the interpreter ends: with what libraries have asked to be done then, but not up into the server's stack."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
