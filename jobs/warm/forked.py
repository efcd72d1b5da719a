"""Asks the warm process for a fork that becomes a trainer, and watches it."""

from __future__ import annotations

import json
import os
import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .becoming import BEGIN, TRAIN
from .client import LENGTH, SOCKET, reachable

ANSWERING = 1.0
"""Seconds in which a warm process answers that is worth asking: starting afresh takes longer only by so much."""
LATE = 5.0
"""Seconds after the end of a trainer in which the warm process tells how it ended, if it ever will."""


class NotWarm(Exception):
    """The warm process cannot start this trainer; the text says why. None was started."""


class Forked:
    """A trainer that the warm process has forked. It is no child of ours, so the warm process tells how it ended.

    When that has gone too, `verdict` says what the trainer has left behind.
    """

    def __init__(self, pid: int, process: int, connection: socket.socket, verdict: Callable[[], int]) -> None:
        self._pid, self._process, self._connection, self._verdict = pid, process, connection, verdict
        self._code: int | None = None
        self._told = bytearray()
        self._orphaned = False
        self._gone_since: float | None = None

    @property
    def pid(self) -> int:
        return self._pid

    def poll(self) -> int | None:
        return self.wait(0)

    def wait(self, seconds: float) -> int | None:
        end = time.monotonic() + seconds
        while self._code is None:
            self._listen(max(0.0, end - time.monotonic()))
            self._judge()
            if time.monotonic() >= end:
                break
        return self._code

    def _listen(self, seconds: float) -> None:
        """Wait for word of the warm process, or for the trainer's end."""
        watched: list[Any] = [] if self._orphaned else [self._connection]
        if self._gone_since is None:
            watched.append(self._process)
        ready, _, _ = select.select(watched, [], [], seconds if self._gone_since is None else min(seconds, 0.1))
        if self._process in ready:
            self._gone_since = time.monotonic()
        if self._connection in ready:
            self._hear()

    def _hear(self) -> None:
        try:
            piece = self._connection.recv(4096)
        except OSError:
            piece = b""
        self._told += piece
        self._orphaned = not piece
        body = self._told[LENGTH.size :]
        if len(self._told) > LENGTH.size and len(body) == LENGTH.unpack_from(self._told)[0]:
            self._end(int(json.loads(body)["ended"]))

    def _judge(self) -> None:
        """The trainer is gone, and nobody will say how."""
        if self._code is None and self._gone_since is not None:
            late = time.monotonic() - self._gone_since > LATE
            if self._orphaned or late:
                self._end(self._verdict())

    def _end(self, code: int) -> None:
        self._code = code
        self._connection.close()
        os.close(self._process)


def fork_trainer(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    locks: Sequence[int],
    log: Path,
    verdict: Callable[[], int],
) -> Forked:
    """A trainer with these arguments, out of the warm process. Raises NotWarm, and then has started none."""
    question = {"task": TRAIN, "arguments": list(arguments), "environment": dict(environment), "seconds": ANSWERING}
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    process: int | None = None
    try:
        connection.settimeout(ANSWERING)
        with reachable(Path(os.environ.get(SOCKET) or "/nowhere")) as address:
            connection.connect(address)
        _ask(connection, question | {"oom_score_adj": _oom_score_adj()})
        _pass(connection, log, locks)
        answer, process = _answer(connection)
        if process is None:
            raise NotWarm(answer.get("message") or "It broke down.")
        connection.send(BEGIN)
    except (OSError, ValueError, AttributeError, NotWarm) as error:
        connection.close()  # a fork that still waits for our word ends itself
        if process is not None:
            os.close(process)
        raise error if isinstance(error, NotWarm) else NotWarm(str(error) or type(error).__name__) from error
    return Forked(answer["ready"], process, connection, verdict)


def _ask(connection: socket.socket, question: Mapping[str, Any]) -> None:
    """Raises NotWarm unless it is willing."""
    body = json.dumps(question).encode()
    connection.sendall(LENGTH.pack(len(body)) + body)
    answer, _ = _answer(connection)
    if not answer.get("willing"):
        raise NotWarm(answer.get("message") or "It refused.")


def _pass(connection: socket.socket, log: Path, locks: Sequence[int]) -> None:
    """Locks go only to one that is awake: on their way to a frozen process they would stay held."""
    with log.open("ab") as output:
        socket.send_fds(connection, [BEGIN], [output.fileno(), *locks])


def _answer(connection: socket.socket) -> tuple[dict[str, Any], int | None]:
    """What was answered, and a descriptor of the process that is ready, if it came to that."""
    end = time.monotonic() + ANSWERING
    received, processes = bytearray(), list[int]()
    while len(received) < LENGTH.size or len(received) < LENGTH.size + LENGTH.unpack_from(received)[0]:
        connection.settimeout(max(0.001, end - time.monotonic()))
        piece, passed, _, _ = socket.recv_fds(connection, 4096, 1, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
        processes += passed
        if not piece:
            raise OSError("It ended before it had answered.")
        received += piece
    return json.loads(received[LENGTH.size :]), processes[0] if processes else None


def _oom_score_adj() -> str:
    try:
        return Path("/proc/self/oom_score_adj").read_text().strip()
    except OSError:
        return "0"
