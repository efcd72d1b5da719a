"""Runs pieces of other people's programs, such as chat templates, where they can neither hang nor eat the memory.

A forked child does one piece after the other and writes each result to a pipe. Time is watched from outside, so that
even one long call in C is stopped; memory is limited from inside, so that Python can still say what happened.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SECONDS = 1.0
"""Of the processor, for one piece. The largest of published templates takes a tenth of it, most of that to compile."""
PATIENCE = 5.0
"""How many times as long a piece may take by the clock, where other programs want the processor too."""
TICK = 0.05
MEMORY = 512 * 1024**2
"""Bytes that all pieces together may take beyond what the process holds already."""
LARGEST = 4 * 1024**2
"""Bytes of one result, written as JSON, unless the caller says otherwise."""
RECURSION = 2_000
"""Calls within calls; published templates need some fifty."""
GIVE_UP = 2
"""After so many pieces that overran, the rest is not tried: each of them would take a whole second."""

_LENGTH = struct.Struct(">I")
Piece = Callable[[], Any]


@dataclass(frozen=True)
class Result:
    """What became of one piece: its value, the error that it raised, or how it was stopped.

    `stopped` is empty, or one of `time`, `memory`, `length`, `crash` and `untried`.
    """

    value: Any = None
    error: str = ""
    words: str = ""
    stopped: str = ""

    @property
    def ok(self) -> bool:
        return not self.error and not self.stopped


def run(
    pieces: Sequence[Piece], *, seconds: float = SECONDS, memory: int = MEMORY, largest: int = LARGEST
) -> list[Result]:
    """Run each piece in a child of this process. What a piece changes is lost; its value must be plain JSON."""
    results: list[Result] = []
    overran = 0
    while len(results) < len(pieces) and overran < GIVE_UP:
        results += _run_until_killed(pieces[len(results) :], seconds, memory, largest)
        overran += bool(results[-1].stopped)
    return results + [Result(stopped="untried")] * (len(pieces) - len(results))


def _run_until_killed(pieces: Sequence[Piece], seconds: float, memory: int, largest: int) -> list[Result]:
    """Results up to the last piece, or up to the one that took the child with it."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _work(pieces, writing, memory, largest)
    os.close(writing)
    results: list[Result] = []
    try:
        while len(results) < len(pieces) and not (results and results[-1].stopped in ("time", "crash")):
            results.append(_receive(_Pipe(reading, child, seconds)))
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return results


def _receive(pipe: _Pipe) -> Result:
    try:
        length = _LENGTH.unpack(pipe.read(_LENGTH.size))[0]
        return Result(**json.loads(pipe.read(length)))
    except TimeoutError:
        return Result(stopped="time")
    except EOFError:
        return Result(stopped="crash")


class _Pipe:
    """Reads what a child writes while it has time left for its present piece."""

    def __init__(self, descriptor: int, child: int, seconds: float) -> None:
        self.descriptor = descriptor
        self.child = child
        self.until = time.monotonic() + seconds * PATIENCE
        self.busy_until = _processor_seconds(child) + seconds

    def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            if not select.select([self.descriptor], [], [], TICK)[0]:
                if time.monotonic() > self.until or _processor_seconds(self.child) > self.busy_until:
                    raise TimeoutError
            elif more := os.read(self.descriptor, count - len(data)):
                data += more
            else:
                raise EOFError
        return data


def _processor_seconds(process: int) -> float:
    """How long a process has computed (proc_pid_stat(5): fields 14 and 15, counted behind its name)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _work(pieces: Sequence[Piece], pipe: int, memory: int, largest: int) -> None:
    """The child's whole life. It ends without cleaning up: what it inherited is not its own."""
    try:
        gc.disable()
        _limit(memory)
        for piece in pieces:
            _send(pipe, _encoded(_done(piece), largest))
    finally:
        os._exit(0)


def _limit(memory: int) -> None:
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = held + memory if hard == resource.RLIM_INFINITY else min(held + memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(min(sys.getrecursionlimit(), RECURSION))


def _done(piece: Piece) -> Result:
    try:
        return Result(value=piece())
    except MemoryError:
        return Result(stopped="memory")
    except Exception as error:
        return Result(error=type(error).__name__, words=str(error)[:2_000])


def _send(pipe: int, data: bytes) -> None:
    rest = _LENGTH.pack(len(data)) + data
    while rest:
        rest = rest[os.write(pipe, rest) :]


def _encoded(result: Result, largest: int) -> bytes:
    try:
        data = json.dumps(asdict(result)).encode()
    except MemoryError:
        data = b""
    return data if 0 < len(data) <= largest else json.dumps(asdict(Result(stopped="length"))).encode()
