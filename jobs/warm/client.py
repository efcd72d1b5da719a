"""Asks the warm process for a piece of work. Standard library only: cheap to import anywhere."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL
from typing import Any

SOCKET = "FORETUNE_WARM_SOCKET"
"""Environment variable that names the socket of the warm process. The portal's settings set it."""
ROOT = Path(__file__).resolve().parents[2]
MEMORY = 4 * 1024**3
"""Bytes a task may take beyond what the warm process holds, unless the caller says otherwise."""
LARGEST = 64 * 1024**2
"""Bytes of the longest question and of the longest answer."""
TAIL = 16_000
"""Bytes kept of what a task prints."""
LENGTH = struct.Struct(">I")
LONGEST_ADDRESS = 100
"""Bytes that any system takes as the path of a socket; Linux takes 107."""
STARTING = 120.0
"""Seconds that a fresh process may take for its imports, before those of the task begin."""
GRACE = 1.0
"""Seconds by which the warm process may be late with the word that a task overran."""

WORDS = {
    "absent": "No warm process answers.",
    "timeout": "It took longer than {seconds:g} s and was stopped.",
    "memory": "It needed more memory than it was given and was stopped.",
    "crashed": "The process that did it broke down.",
    "failed": "It raised an error.",
}


class Unanswered(Exception):
    """A task gave no answer. `reason` is a key of WORDS; `log` is the end of what it printed, with the traceback."""

    def __init__(self, reason: str, message: str = "", log: str = "") -> None:
        super().__init__(message or WORDS[reason])
        self.reason = reason
        self.log = log


class _Gone(Exception):
    """Nobody answers at the socket, or stopped to."""


def ask(
    task: str, /, *, seconds: float, fresh: bool = False, memory: int | None = None, **arguments: Any
) -> dict[str, Any]:
    """Have a task of `tasks.TASKS` done in a fork of the warm process, and wait for its answer.

    `seconds` begin now: waiting for a free place counts. Without a warm process: Unanswered("absent"), or with
    `fresh` the same in a process of its own, which first needs its imports. `memory` is in bytes.
    """
    question = {"task": task, "seconds": seconds, "memory": memory or MEMORY, "arguments": arguments}
    try:
        answer = _ask_warm(question, seconds)
    except _Gone:
        answer = _ask_fresh(question, seconds) if fresh else {"unanswered": "absent"}
    if "unanswered" in answer:
        reason = answer["unanswered"]
        message = answer.get("message") or WORDS[reason].format(seconds=seconds)
        raise Unanswered(reason, message, answer.get("log", ""))
    told: dict[str, Any] = answer["answer"]
    return told


def is_warm() -> bool:
    """Whether a warm process answers at all."""
    try:
        with _connection():
            return True
    except _Gone:
        return False


def _ask_warm(question: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    end = time.monotonic() + seconds + GRACE
    body = json.dumps(question).encode()
    try:
        with _connection() as connection:
            connection.settimeout(seconds + GRACE)
            connection.sendall(LENGTH.pack(len(body)) + body)
            [length] = LENGTH.unpack(_receive(connection, LENGTH.size, end))
            answer: dict[str, Any] = json.loads(_receive(connection, length, end))
    except TimeoutError:
        return {"unanswered": "timeout"}
    except OSError as error:
        raise _Gone from error
    if answer.get("unanswered") == "absent":  # it is just ending
        raise _Gone
    return answer


@contextmanager
def _connection() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            with reachable(Path(os.environ.get(SOCKET) or "/nowhere")) as address:
                connection.connect(address)
        except OSError as error:
            raise _Gone from error
        yield connection


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """An address for a socket at `path` that the system takes, however long the path is."""
    if len(os.fsencode(path)) <= LONGEST_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _receive(connection: socket.socket, length: int, end: float) -> bytes:
    received = bytearray()
    while len(received) < length:
        connection.settimeout(max(end - time.monotonic(), 0.001))
        piece = connection.recv(min(length - len(received), 1 << 20))
        if not piece:
            raise _Gone
        received += piece
    return bytes(received)


def _ask_fresh(question: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The same work in a process that must import everything first."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.warm", "--once"],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        told, log = process.communicate(json.dumps(question).encode(), timeout=STARTING + seconds)
    except subprocess.TimeoutExpired:
        return {"unanswered": "timeout"}
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, SIGKILL)
        process.communicate()
    said = {"log": log[-TAIL:].decode(errors="replace")}
    try:
        answer: dict[str, Any] = json.loads(told)
    except ValueError:
        return {"unanswered": "crashed", **said}
    return {**answer, **said}


SECRETS = {"DATABASE_URL", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}
SECRET_ENDINGS = ("_TOKEN", "_SECRET", "_PASSWORD", "_KEY")


def clean_environment(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What trainers, the warm process and its children may know: none of the portal's secrets, no network."""
    kept = {name: value for name, value in given.items() if name not in SECRETS}
    kept = {name: value for name, value in kept.items() if not name.upper().endswith(SECRET_ENDINGS)}
    return kept | {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_WAIT_POLICY": "PASSIVE",
        "TQDM_DISABLE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
    }
