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
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pytest

from finetune_site.environment import ROOT
from finetune_site.portal.children import Child
from finetune_site.portal.portal import Portal
from finetune_site.portal.readiness import CannotServe, is_answering, listening, require_packages
from finetune_site.portal.supervised import tell_systemd
from jobs.warm.client import SOCKET, is_warm

MANAGE = [sys.executable, str(ROOT / "manage.py")]
SERVE = [*MANAGE, "serve", "--port"]


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "FORETUNE_HOME": str(home), "FORETUNE_TICK_SECONDS": "1"}


@contextmanager
def service(home: Path, *command: str) -> Iterator[tuple[psutil.Popen, str]]:
    """A part of a portal, stopped in the end; gives its process and what it says when it is ready."""
    pipe = subprocess.PIPE
    process = psutil.Popen([*MANAGE, *command], env=environment(home), stdout=pipe, stderr=pipe, text=True)
    try:
        said = process.stdout.readline()
        assert said, process.stderr.read()
        yield process, said
    finally:
        if process.is_running():
            process.terminate()
        process.communicate(timeout=60)


@contextmanager
def portal(home: Path) -> Iterator[tuple[psutil.Popen, str]]:
    """A whole portal on a free port; gives its process and address."""
    with service(home, "serve", "--port", "0") as (process, said):
        assert said.startswith("Foretune is ready: "), said
        yield process, said.split()[3]


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


def lives(process: psutil.Process) -> bool:
    """Where nobody buries orphans, they stay zombies."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


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
def test_web_and_node_come_and_go_without_each_other(tmp_path: Path) -> None:
    with service(tmp_path, "web", "--port", "0") as (web, said):
        address = said.split()[4]
        assert [each.cmdline()[2] for each in web.children()] == ["finetune_site.portal.web"]
        with service(tmp_path, "node") as (node, said):
            assert said.startswith("Foretune's node ")
            second = subprocess.run([*MANAGE, "node"], env=environment(tmp_path), capture_output=True, text=True)
            assert second.returncode == 1
            assert f"A node service already runs on the home {tmp_path}: machine " in second.stderr
            orphans = [each for leader in node.children() for each in leader.children(recursive=True)]
            for process in [*node.children(), node]:  # all that could tell the rest to end
                process.kill()
            assert [each for each in orphans if lives(each)]
        assert is_well(address)
        with service(tmp_path, "node") as (node, _):
            assert not [each for each in orphans if lives(each)]
        assert node.returncode == 0
        assert is_well(address)
    assert web.returncode == 0


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
    watched = Portal([], say=said.append)
    failing = Child("warm", ["false"], tmp_path / "log", is_needed=False)
    failing.start()
    failing.process.wait()
    watched.revive(failing)
    assert said == []  # not at once
    monkeypatch.setattr(f"{Portal.__module__}.REST_SECONDS", 0)
    for _ in range(10):
        watched.revive(failing)
        failing.process.wait()
    assert len(said) == 10
    failing.is_needed = True
    with pytest.raises(CannotServe, match="warm process ends as soon as it is started"):
        watched.revive(failing)


class Sleepers:
    """A part with one process that does nothing."""

    portal: Portal

    def __init__(self, log: Path) -> None:
        self.children = [Child("sleeping", ["sleep", "60"], log)]
        self.children[0].start()

    def step(self) -> None:
        """Nothing is due."""


@pytest.mark.django_db
@pytest.mark.parametrize("patience", [0, 60])
def test_a_process_that_somebody_stops_is_replaced_after_a_while(
    patience: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finetune_site.portal.children.FROZEN_SECONDS", patience)
    monkeypatch.setattr(f"{Portal.__module__}.LOOK_FOR_FROZEN", 0)
    said: list[str] = []
    watched = Portal([Sleepers(tmp_path / "log")], say=said.append)
    [sleeper] = watched.children
    before = psutil.Process(sleeper.process.pid)
    watched.step()
    assert said == []
    before.suspend()
    assert in_time(lambda: before.status() == psutil.STATUS_STOPPED, seconds=5)
    watched.step()
    assert lives(before) == bool(patience)
    assert said == ([] if patience else ["The sleeping process was stopped from outside and is replaced."])
    sleeper.kill()


def test_a_server_that_gives_no_answer_is_not_one_that_says_no() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(is_answering, "127.0.0.1", port)
            with silent.accept()[0] as caller:
                caller.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
                assert asked.result()
            asked = pool.submit(is_answering, "127.0.0.1", port)
            silent.accept()[0].close()
            assert not asked.result()


def test_systemd_hears_that_the_service_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        tell_systemd("READY=1")
        assert systemd.recv(100) == b"READY=1"
    tell_systemd("WATCHDOG=1")  # nobody listens any more, and nothing happens


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
    with service(tmp_path, "serve", "--host", "0.0.0.0", "--port", "0") as (_, said):  # noqa: S104
        assert is_well(said.split()[3].replace("localhost", "127.0.0.1"))


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

    note = json.dumps({"where": "http://localhost:8000", "process": 7})
    assert "http://localhost:8000 (process 7)" in _already_runs("web", note)
    assert "it is just starting" in _already_runs("node", '{"wh')


def test_a_port_that_cannot_be_is_told() -> None:
    with pytest.raises(CannotServe, match="There is no port 99999; ports go from 0 to 65535"):
        listening("127.0.0.1", 99999).__enter__()
