"""The loop of the warm process: takes questions in, forks a child for each, hands its answer out.

One thread, so that a fork copies a process at rest. Every limit that a child could ignore is kept by this side.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from . import becoming, work
from .client import LARGEST, LENGTH, TAIL

ASKING = 10.0
"""Seconds a caller may take to send its question."""
CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)  # of Linux
MOST_PASSED = 64
"""Descriptors that may come with a question: a log, and the locks of a job and its GPUs."""
TICK = 2.0
"""Seconds between two looks at whether the libraries are still those that were imported."""

Told = Mapping[str, Any]


@dataclass(eq=False)
class Call:
    """One caller: its question, the child that works on it, and what goes back."""

    connection: socket.socket
    deadline: float
    received: bytearray = field(default_factory=bytearray)
    question: dict[str, Any] | None = None
    child: int = 0
    answer_pipe: int = -1
    log_pipe: int = -1
    answer: bytearray = field(default_factory=bytearray)
    log: bytearray = field(default_factory=bytearray)
    outgoing: memoryview = field(default_factory=lambda: memoryview(b""))
    stopped: str = ""
    """The reason why this side ended the child."""
    passed: list[int] = field(default_factory=list)
    """Descriptors that came with the question: those of a trainer."""

    def close_passed(self) -> None:
        while self.passed:
            os.close(self.passed.pop())


class Server:
    """`Server(listener, tasks).run()` returns when it was told to stop, or when `is_stale` says so and all is done."""

    def __init__(
        self,
        listener: socket.socket,
        tasks: Mapping[str, str],
        *,
        places: int | None = None,
        is_stale: Callable[[], bool] = lambda: False,
        trainer: str = becoming.TRAINER,
    ) -> None:
        self.listener, self.tasks, self.is_stale, self.trainer = listener, tasks, is_stale, trainer
        self.places = places or max(os.cpu_count() or 1, 2)
        self.selector = selectors.DefaultSelector()
        self.calls: set[Call] = set()
        self.waiting: deque[Call] = deque()
        self.running: dict[int, Call] = {}
        self.trainers: dict[int, socket.socket] = {}
        """Forks that train. They take no place, outlive this process, and end when they like."""
        self.closing = self.stopping = False
        self.waking: tuple[socket.socket, ...] = ()
        self._next_look = 0.0

    def run(self) -> None:
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        waker = self._wake_on_signals()
        self.selector.register(waker, selectors.EVENT_READ, lambda: waker.recv(4096))
        while not self.stopping and not (self.closing and not self.calls):
            for key, _ in self.selector.select(self._patience()):
                key.data()
            self._reap()
            self._reap_trainers()
            self._stop_overdue()
            self._look_at_the_libraries()
            self._start_waiting()
        for call in list(self.running.values()):
            _kill(call.child)

    def _wake_on_signals(self) -> socket.socket:
        """Signals end a `select` by a byte in this socket: a child's end, and the wish to stop."""
        waker, writer = socket.socketpair()
        waker.setblocking(False)
        writer.setblocking(False)
        self.waking = waker, writer
        signal.set_wakeup_fd(writer.fileno())
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        return waker

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _patience(self) -> float:
        first = min((call.deadline for call in self.calls), default=float("inf"))
        return max(min(first - time.monotonic(), TICK), 0.0)

    # Callers

    def _accept(self) -> None:
        with suppress(BlockingIOError, ConnectionError):
            connection, _ = self.listener.accept()
            connection.setblocking(False)
            call = Call(connection, time.monotonic() + ASKING)
            self.calls.add(call)
            self.selector.register(connection, selectors.EVENT_READ, lambda: self._hear(call))

    def _hear(self, call: Call) -> None:
        """More of the question; or the caller has gone, and nobody wants the answer any more."""
        try:
            piece, passed, _, _ = socket.recv_fds(call.connection, 1 << 20, MOST_PASSED, CLOSE_ON_EXEC)
            call.passed += passed
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._forget(call)
            return
        if call.question is None:
            call.received += piece
            if (body := _whole(call.received)) is not None:
                self._take(call, body)
        elif call.passed and call.question["task"] == becoming.TRAIN:
            self._train(call, call.question)

    def _take(self, call: Call, body: bytes) -> None:
        try:
            question = json.loads(body)
            call.deadline = time.monotonic() + float(question["seconds"])
            if question["task"] not in (*self.tasks, becoming.TRAIN):
                raise KeyError(question["task"])
        except (ValueError, KeyError, TypeError) as error:
            self._tell(call, {"unanswered": "failed", "message": f"The question makes no sense: {error!r}"})
            return
        call.question = question
        call.received.clear()
        if question["task"] == becoming.TRAIN:
            self._offer(call, question)
        else:
            self.waiting.append(call)

    def _tell(self, call: Call, told: Told | bytes) -> None:
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        call.outgoing = memoryview(LENGTH.pack(len(body)) + body)
        call.deadline = time.monotonic() + ASKING
        self.selector.modify(call.connection, selectors.EVENT_WRITE, lambda: self._send(call))

    def _send(self, call: Call) -> None:
        try:
            call.outgoing = call.outgoing[call.connection.send(call.outgoing) :]
        except BlockingIOError:
            return
        except OSError:
            call.outgoing = memoryview(b"")
        if not call.outgoing:
            self._forget(call)

    def _forget(self, call: Call) -> None:
        """Close a call; a child still at it is ended."""
        if call not in self.calls:
            return
        self.calls.remove(call)
        self.selector.unregister(call.connection)
        call.connection.close()
        call.close_passed()
        if call.child:
            call.stopped = "gone"
            _kill(call.child)
        elif call in self.waiting:
            self.waiting.remove(call)

    # Children

    def _start_waiting(self) -> None:
        while self.waiting and len(self.running) < self.places:
            self._fork(self.waiting.popleft())

    def _fork(self, call: Call) -> None:
        assert call.question is not None  # noqa: S101 - only whole questions wait
        (answer, answer_in), (log, log_in) = os.pipe(), os.pipe()
        sys.stdout.flush()
        call.child = os.fork()
        if call.child == 0:
            self._be_child(call.question, answer_in, log_in, call.deadline - time.monotonic())
        os.close(answer_in)
        os.close(log_in)
        call.answer_pipe, call.log_pipe = answer, log
        for pipe in (answer, log):
            os.set_blocking(pipe, False)
            self.selector.register(pipe, selectors.EVENT_READ, lambda pipe=pipe: self._drain(call, pipe))
        self.running[call.child] = call

    def _be_child(self, question: dict[str, Any], answer: int, log: int, seconds: float) -> None:
        """The child's whole life. It must not come back into the loop."""
        try:
            self._leave()
            work.settle(log, seconds)
            told = memoryview(work.answer(self.tasks, question))
            while told:
                told = told[os.write(answer, told) :]
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)

    def _leave(self) -> None:
        """In a child: let go of all that is the server's, else callers and locks would hang on a stranger's life."""
        signal.set_wakeup_fd(-1)
        self.selector.close()
        self.listener.close()
        for end in self.waking:
            end.close()
        for call in self.calls:
            call.connection.close()
            call.close_passed()
            for pipe in (call.answer_pipe, call.log_pipe):
                if pipe != -1:
                    os.close(pipe)
        for connection in self.trainers.values():
            connection.close()

    # Trainers

    def _offer(self, call: Call, question: dict[str, Any]) -> None:
        """Ask for the descriptors of a trainer, or say why it cannot be forked."""
        refusal = "It is starting again." if self.closing or self.is_stale() else becoming.why_not(question)
        if refusal:
            self._tell(call, {"unanswered": "failed", "message": refusal})
            return
        with suppress(OSError):  # whoever asked has gone
            call.connection.send(_framed({"willing": True}))

    def _train(self, call: Call, question: dict[str, Any]) -> None:
        """Fork a trainer at once: the descriptors are locks, which nobody else may hold for long."""
        sys.stdout.flush()
        sys.stderr.flush()
        self.calls.remove(call)  # so that the child keeps what is its own
        self.selector.unregister(call.connection)
        child = os.fork()
        if child == 0:
            self._leave()
            becoming.become(call.connection, question, call.passed, self.trainer)
        call.close_passed()
        self.trainers[child] = call.connection

    def _reap_trainers(self) -> None:
        for child, connection in list(self.trainers.items()):
            ended, status = os.waitpid(child, os.WNOHANG)
            if not ended:
                continue
            with suppress(OSError):  # whoever asked for it may have died
                connection.send(_framed({"ended": os.waitstatus_to_exitcode(status)}))
            connection.close()
            del self.trainers[child]

    def _drain(self, call: Call, pipe: int) -> bool:
        """Take what a pipe holds; whether there may be more."""
        try:
            piece = os.read(pipe, 1 << 20)
        except BlockingIOError:
            return False
        if not piece:
            self._close_pipe(call, pipe)
            return False
        if pipe == call.answer_pipe:
            call.answer += piece
            if len(call.answer) > LARGEST:
                self._end(call, "failed")
        else:
            call.log += piece
            del call.log[:-TAIL]
        return True

    def _close_pipe(self, call: Call, pipe: int) -> None:
        self.selector.unregister(pipe)
        os.close(pipe)
        if pipe == call.answer_pipe:
            call.answer_pipe = -1
        else:
            call.log_pipe = -1

    def _end(self, call: Call, reason: str) -> None:
        call.stopped = call.stopped or reason
        _kill(call.child)

    def _stop_overdue(self) -> None:
        now = time.monotonic()
        for call in [each for each in self.calls if each.deadline <= now]:
            if call.child:
                call.deadline = float("inf")
                self._end(call, "timeout")
            elif call in self.waiting:
                self.waiting.remove(call)
                self._tell(call, {"unanswered": "timeout"})
            else:
                self._forget(call)

    def _reap(self) -> None:
        for child, call in list(self.running.items()):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                self._conclude(call, os.waitstatus_to_exitcode(status))

    def _conclude(self, call: Call, exit_code: int) -> None:
        """A child has ended: take the rest of its words, end what it left behind, and tell the caller."""
        _kill(call.child)
        for pipe in (call.answer_pipe, call.log_pipe):
            while pipe != -1 and self._drain(call, pipe):
                pass
        for pipe in (call.answer_pipe, call.log_pipe):
            if pipe != -1:
                self._close_pipe(call, pipe)
        del self.running[call.child]
        call.child = 0
        if call in self.calls:
            told = _outcome(call, exit_code)
            if isinstance(told, dict):
                _note(call, told)
            self._tell(call, told)

    # Growing old

    def _look_at_the_libraries(self) -> None:
        """Before each fork, and every now and then: what was imported must be what is installed."""
        if self.closing or (not self.waiting and time.monotonic() < self._next_look):
            return
        self._next_look = time.monotonic() + TICK
        if not self.is_stale():
            return
        print("Libraries or code have changed; starting again.", flush=True)  # noqa: T201 - this is the log
        self.closing = True
        self.selector.unregister(self.listener)
        self.listener.close()
        while self.waiting:
            self._tell(self.waiting.popleft(), {"unanswered": "absent"})


def _framed(told: Told) -> bytes:
    body = json.dumps(told).encode()
    return LENGTH.pack(len(body)) + body


def _whole(received: bytearray) -> bytes | None:
    """The body of a question once all of it is there. One that would be too long reads as nonsense."""
    if len(received) < LENGTH.size:
        return None
    [length] = LENGTH.unpack_from(received)
    if length > LARGEST:
        return b""
    body = received[LENGTH.size :]
    return bytes(body) if len(body) >= length else None


def _outcome(call: Call, exit_code: int) -> bytes | dict[str, Any]:
    """What the caller is told. An answer that is whole is passed on as it is."""
    log = call.log.decode(errors="replace")
    if call.stopped == "failed":
        return {"unanswered": "failed", "message": f"Its answer is longer than {LARGEST} bytes.", "log": log}
    if call.stopped:
        return {"unanswered": call.stopped, "log": log}
    if exit_code == 0 and call.answer.startswith(b'{"answer"'):
        return bytes(call.answer)
    if exit_code == 0 and call.answer:
        return {**json.loads(call.answer), "log": log}
    if exit_code == -signal.SIGKILL:  # not by us: the kernel has run out of memory
        return {"unanswered": "memory", "log": log}
    if exit_code == -signal.SIGXCPU:
        return {"unanswered": "timeout", "log": log}
    memory = any(words in log for words in work.LACKS_MEMORY)
    return {"unanswered": "memory" if memory else "crashed", "log": log}


def _note(call: Call, told: Mapping[str, Any]) -> None:
    assert call.question is not None  # noqa: S101 - it had a child
    print(call.question["task"], told["unanswered"], told.get("message", ""), told.get("log", ""), flush=True)  # noqa: T201


def _kill(child: int) -> None:
    """End a child with all that it started. It may not have made its session yet."""
    for end in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            end(child, signal.SIGKILL)
