"""What a page that follows a training waits for its news while twenty of them ask, each once a second, over HTTP."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.benchmarks import inside_stream
from tests.benchmarks.test_check import share
from tests.benchmarks.test_submits import called, web_server
from tests.jobs.real_portal import RealPortal

pytestmark = pytest.mark.benchmark
PAGES = 20
EVERY = 1.0
GOAL = 150.0


def test_twenty_pages_follow_a_training(tmp_path: Path) -> None:
    seconds, steps = float(os.environ.get("BENCH_SECONDS", "20")), 20_000
    portal = RealPortal(tmp_path)
    portal.environment |= {"FORETUNE_ALLOWED_HOSTS": "127.0.0.1"}
    pk, session = called(portal, "running_job", steps, inside=inside_stream)
    with web_server(portal) as port, ThreadPoolExecutor(PAGES + 1) as pool:
        trainer = pool.submit(called, portal, "train", pk, seconds + 5, inside=inside_stream)
        portal.wait(pk, lambda job: job["step"] > steps, seconds=120)
        pages = [pool.submit(follow, port, pk, session, seconds, EVERY * place / PAGES) for place in range(PAGES)]
        firsts, news, reached = zip(*(page.result() for page in pages), strict=True)
        assert min(reached) > steps and trainer.result() >= max(reached)
    opened, polled = sorted(firsts), sorted(each for page in news for each in page)
    assert report("stream, opening a page", opened) & report("stream, news of a page", polled)


def report(name: str, taken: list[float]) -> bool:
    p95 = share(taken, 0.95)
    line = {"name": name, "unit": "ms", "p50": share(taken, 0.5), "p95": p95, "goal": GOAL, "holds": p95 < GOAL}
    print(f"\n{json.dumps(line | {'asked': len(taken)})}")
    return p95 < GOAL


def follow(port: int, pk: int, session: str, seconds: float, later: float) -> tuple[float, list[float], int]:
    """As the page of a job does: milliseconds of the first answer and of those after it, and the last step heard of."""
    time.sleep(later)
    taken, attempt, after, mark, reached = [], "", 0, "", 0
    headers, until = {"Cookie": f"sessionid={session}", "Accept": "application/json"}, time.monotonic() + seconds
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        while time.monotonic() < until:
            began = time.perf_counter()
            connection.request("GET", f"/jobs/{pk}/events/?attempt={attempt}&after={after}&log={mark}", headers=headers)
            answer = connection.getresponse()
            news = json.loads(answer.read())
            taken.append((time.perf_counter() - began) * 1000)
            attempt, after, mark = news["attempt"], news["after"], news["log_mark"]
            reached = max([reached, *(event.get("step", 0) for event in news["events"])])
            time.sleep(EVERY)
    return taken[0], taken[1:], reached
