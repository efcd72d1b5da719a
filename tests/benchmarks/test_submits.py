"""Submits over HTTP, on SQLite, while shims write into the same file: none may fail, whatever else goes on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.benchmarks import inside_submits
from tests.benchmarks.test_check import share
from tests.jobs.real_portal import ROOT, RealPortal

PEOPLE, WRITERS = 8, 4
GOAL = 200
"""Submits a minute."""


@pytest.mark.benchmark
def test_submits_a_minute(tmp_path: Path) -> None:
    told = submits(tmp_path, number=int(os.environ.get("BENCH_SUBMITS", "400")), seconds=60)
    holds = told["ours"] >= GOAL and not told["errors"]
    line = {"name": "submits", "unit": "a minute", **told, "goal": f"at least {GOAL}, none failed", "holds": holds}
    print(f"\n{json.dumps(line)}")
    assert holds


@pytest.mark.slow
def test_no_submit_fails_while_shims_write(tmp_path: Path) -> None:
    told = submits(tmp_path, number=24, seconds=4)
    assert told["errors"] == [] and told["writes_of_shims"] > 0


def submits(home: Path, *, number: int, seconds: float) -> dict[str, Any]:
    """So many submits of several people at once, as fast as they are answered; shims write all the while."""
    portal = RealPortal(home)
    portal.environment |= {"FORETUNE_MAX_ACTIVE_JOBS": "100000", "FORETUNE_ALLOWED_HOSTS": "127.0.0.1"}
    people = called(portal, "people", PEOPLE)
    with web_server(portal) as port, ThreadPoolExecutor(PEOPLE + 1) as pool:
        shims = pool.submit(called, portal, "train", WRITERS, seconds)
        began = time.monotonic()
        answers = [pool.submit(submit_all, port, *person, number // PEOPLE) for person in people]
        taken = [each for answer in answers for each in answer.result()]
        lasted = time.monotonic() - began
        writes = shims.result()
    times = sorted(milliseconds for _, milliseconds in taken)
    return {
        "ours": round(len(taken) / lasted * 60),
        "errors": [status for status, _ in taken if status != 201],
        "p50": share(times, 0.5),
        "p95": share(times, 0.95),
        "writes_of_shims": writes,
    }


def submit_all(port: int, token: str, spec: dict[str, Any], number: int) -> list[tuple[int, float]]:
    """The status of each answer, and the milliseconds it took."""
    headers, told = {"Authorization": f"Token {token}", "Content-Type": "application/json"}, []
    body = json.dumps({**spec, "on_unrehearsed": "start"})
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for _ in range(number):
            began = time.perf_counter()
            connection.request("POST", "/api/v1/jobs/", body, headers)
            answer = connection.getresponse()
            answer.read()
            told.append((answer.status, (time.perf_counter() - began) * 1000))
    return told


def called(portal: RealPortal, function: str, *arguments: Any, inside: ModuleType = inside_submits) -> Any:
    """Call a function of a module in a process of the portal."""
    code = f"import json; from {inside.__name__} import {function} as call; print(json.dumps(call(*{arguments!r})))"
    return json.loads(portal.manage("shell", "--verbosity", "0", "--no-imports", "--command", code))


@contextmanager
def web_server(portal: RealPortal) -> Iterator[int]:
    """uvicorn with the portal's pages, and nothing that works off what is submitted."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "finetune_site.asgi:application", "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, env=portal.environment, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(port: int) -> None:
    for _ in range(300):
        with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
            try:
                connection.request("GET", "/login/")
                connection.getresponse().read()
                return
            except ConnectionRefusedError:
                time.sleep(0.2)
    raise TimeoutError("The web server did not start.")
