"""`manage.py serve` as one would use it: real processes on a home of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pytest

from finetune_site.environment import ROOT
from finetune_site.portal.children import Child
from finetune_site.portal.portal import Portal
from finetune_site.portal.readiness import CannotServe, listening, require_packages
from jobs.warm.client import SOCKET, is_warm

SERVE = [sys.executable, str(ROOT / "manage.py"), "serve", "--port"]


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "FORETUNE_HOME": str(home), "FORETUNE_TICK_SECONDS": "1"}


@contextmanager
def portal(home: Path) -> Iterator[tuple[psutil.Popen, str]]:
    """A portal on a free port, stopped in the end; gives its process and address."""
    pipe = subprocess.PIPE
    process = psutil.Popen([*SERVE, "0"], env=environment(home), stdout=pipe, stderr=pipe, text=True)
    try:
        said = process.stdout.readline()
        assert said.startswith("Foretune is ready: "), process.stderr.read()
        yield process, said.split()[3]
    finally:
        if process.is_running():
            process.terminate()
        process.communicate(timeout=60)


def serve(home: Path, port: int) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail."""
    command = [*SERVE, str(port)]
    return subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=60, check=False)


def is_well(address: str) -> bool:
    try:
        with urlopen(f"{address}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def in_time(condition: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)
    return condition()


def child(process: psutil.Popen, word: str) -> psutil.Process:
    [found] = [each for each in process.children() if word in " ".join(each.cmdline())]
    return found


def train_cluster(process: psutil.Popen) -> psutil.Process:
    clusters = [each for each in process.children() if "qcluster" in each.cmdline()]
    [found] = [each for each in clusters if each.environ()["Q_CLUSTER_NAME"].startswith("train-")]
    return found


@pytest.mark.slow
def test_it_serves_refuses_a_second_start_and_leaves_no_process(tmp_path: Path) -> None:
    with portal(tmp_path) as (process, address):
        assert is_well(address)
        with urlopen(f"{address}/static/vendor/bootstrap.min.css", timeout=5) as answer:
            assert answer.status == 200
        second = serve(tmp_path, 0)
        assert second.returncode == 1
        assert f"A portal already runs on the home {tmp_path}: {address}" in second.stderr
        assert "Traceback" not in second.stderr
        family = process.children(recursive=True)
        assert len(family) >= 10  # web, two clusters with their sentinels, workers, pushers and monitors
    assert process.returncode == 0
    assert psutil.wait_procs(family, timeout=5)[1] == []


@pytest.mark.slow
def test_when_it_is_killed_outright_nothing_of_it_lives_on(tmp_path: Path) -> None:
    with portal(tmp_path) as (process, address):
        family = process.children(recursive=True)
        process.kill()
        assert psutil.wait_procs(family, timeout=30)[1] == []
        assert not is_well(address)
    with portal(tmp_path) as (_, address):
        assert is_well(address)


@pytest.mark.slow
def test_a_web_process_that_dies_is_started_again_on_the_same_port(tmp_path: Path) -> None:
    with portal(tmp_path) as (process, address):
        web = child(process, "finetune_site.portal.web")
        web.kill()
        assert in_time(lambda: not web.is_running() and is_well(address))


@pytest.mark.slow
def test_it_gets_warm_and_without_its_warm_process_it_serves_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SOCKET, str(tmp_path / "warm" / "socket"))
    with portal(tmp_path) as (process, address):
        assert in_time(is_warm, seconds=120)
        warm = child(process, "jobs.warm")
        assert not {"HF_TOKEN", "DATABASE_URL"} & warm.environ().keys()
        warm.kill()
        assert in_time(lambda: not is_warm())
        assert is_well(address)
    assert "Warm after" in (tmp_path / "logs" / "warm.log").read_text()


def test_a_child_that_is_not_needed_may_fail_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    watched = Portal("127.0.0.1", 0, say=said.append)
    failing = Child("warm", ["false"], tmp_path / "log", is_needed=False)
    failing.start()
    failing.process.wait()
    watched._revive(failing)
    assert said == []  # not at once
    monkeypatch.setattr(f"{Portal.__module__}.REST_SECONDS", 0)
    for _ in range(10):
        watched._revive(failing)
        failing.process.wait()
    assert len(said) == 10
    failing.is_needed = True
    with pytest.raises(CannotServe, match="warm process ends as soon as it is started"):
        watched._revive(failing)


@pytest.mark.slow
def test_a_cluster_that_takes_no_tasks_any_more_is_replaced(tmp_path: Path) -> None:
    """Killing the idle workers stops django-q2's cluster for good, though all of it looks alive."""
    with portal(tmp_path) as (process, _):
        cluster = train_cluster(process)
        assert in_time(lambda: len(cluster.children(recursive=True)) >= 5)  # sentinel, 2 workers, pusher, monitor
        [sentinel] = cluster.children()
        for worker in sentinel.children()[:2]:
            worker.kill()
        assert in_time(lambda: not cluster.is_running(), seconds=120)
        assert in_time(lambda: len(train_cluster(process).children()) == 1)


@pytest.mark.slow
def test_it_gets_ready_when_only_the_name_of_a_proxy_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORETUNE_ALLOWED_HOSTS", "tune.example.org")
    monkeypatch.setattr(f"{__name__}.SERVE", [*SERVE[:2], "serve", "--host", "0.0.0.0", "--port"])  # noqa: S104
    with portal(tmp_path) as (_, address):
        assert is_well(address.replace("localhost", "127.0.0.1"))


@pytest.mark.slow
def test_ctrl_c_is_a_clean_end(tmp_path: Path) -> None:
    with portal(tmp_path) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert "Traceback" not in process.stderr.read()


def test_a_taken_port_is_told_with_another_to_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotServe, match=rf"Port {port} is taken by another program.*--port {port + 1}"):
            listening("127.0.0.1", port).__enter__()


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(CannotServe, match=r"cannot listen on 192\.0\.2\.1: Cannot assign requested address"):
        listening("192.0.2.1", 8000).__enter__()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune_site.portal.readiness.find_spec", lambda name: None if name == "trl" else name)
    with pytest.raises(CannotServe, match=r"Training needs trl, not installed here\. Run: make install"):
        require_packages()


def test_the_note_of_the_running_portal_is_read_even_when_it_is_torn() -> None:
    from finetune_site.portal.readiness import _already_runs

    assert "http://localhost:8000 (process 7)" in _already_runs(
        json.dumps({"address": "http://localhost:8000", "process": 7})
    )
    assert "it is just starting" in _already_runs('{"addr')


def test_a_port_that_cannot_be_is_told() -> None:
    with pytest.raises(CannotServe, match="There is no port 99999; ports go from 0 to 65535"):
        listening("127.0.0.1", 99999).__enter__()
