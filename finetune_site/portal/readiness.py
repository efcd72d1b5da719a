"""What must hold before a portal serves. What does not is said in one sentence, never as a traceback."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from django.conf import settings

NEEDED_TO_TRAIN = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "safetensors")
READY_SECONDS = 90


class CannotServe(Exception):
    """Why the portal cannot start or go on, for the person at the terminal."""


def require_packages() -> None:
    missing = [name for name in NEEDED_TO_TRAIN if find_spec(name) is None]
    if missing:
        raise CannotServe(f"Training needs {', '.join(missing)}, not installed here. Run: make install")


@contextmanager
def only_one(part: str) -> Iterator[Callable[[str], None]]:
    """Two web servers or two node services on one home would fight. The kernel drops the lock with the process.

    Gives a function that notes, for whoever comes second, where this one is.
    """
    with (Path(settings.HOME) / f"{part}.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise CannotServe(_already_runs(part, lock.read())) from error
        lock.truncate(0)
        yield partial(_note, lock)


def _note(lock: IO[str], where: str) -> None:
    lock.write(json.dumps({"where": where, "process": os.getpid()}))
    lock.flush()


def _already_runs(part: str, note: str) -> str:
    try:
        holder = "{where} (process {process})".format(**json.loads(note))
    except (ValueError, KeyError):
        holder = "it is just starting"
    what = {"web": "A portal", "node": "A node service"}[part]
    return (
        f"{what} already runs on the home {settings.HOME}: {holder}. "
        "Stop that one, or give this one a home of its own with FORETUNE_HOME."
    )


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Opened here and handed down, so that a web process that is started again finds it open."""
    if not 0 <= port <= 65535:
        raise CannotServe(f"There is no port {port}; ports go from 0 to 65535.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise CannotServe(_cannot_listen(host, port, error)) from error
    with listener:
        yield listener


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"Port {port} is taken by another program. Choose another: python manage.py serve --port {port + 1}"
        case errno.EACCES:
            return f"This account may not open port {port}. Choose one above 1023."
        case _:
            return f"The portal cannot listen on {host}: {error.strerror}. Give --host an address of this machine."


def wait_until_ready(host: str, port: int, given_up: Callable[[], bool]) -> None:
    """Until /healthz says so; raises with its reason when that takes too long."""
    reason, end = "no answer", time.monotonic() + READY_SECONDS
    while time.monotonic() < end and not given_up():
        reason = _unready(host, port)
        if not reason:
            return
        time.sleep(0.2)
    if not given_up():
        raise CannotServe(f"The portal did not get ready in {READY_SECONDS} s: {reason}. Its logs: {settings.LOGS_DIR}")


def _unready(host: str, port: int) -> str:
    """Why /healthz is not content, or nothing."""
    try:
        status, body = _ask(host, port, seconds=5)
    except (HTTPException, OSError) as error:
        return str(error) or "no answer"
    return "" if status == 200 else _reason(body) or f"/healthz answers {status}"


def is_answering(host: str, port: int) -> bool:
    """Whether the server gives any answer, a refusal too."""
    try:
        _ask(host, port, seconds=10)
    except (HTTPException, OSError):
        return False
    return True


def _ask(host: str, port: int, seconds: float) -> tuple[int, bytes]:
    asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked of, not bound
    with closing(HTTPConnection(asked, port, timeout=seconds)) as connection:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        return answer.status, answer.read()


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["reason"])
    except (ValueError, KeyError, TypeError):
        return ""


def log_file(name: str) -> Path:
    return Path(settings.LOGS_DIR) / f"{name}.log"
