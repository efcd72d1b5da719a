"""The warm process keeps going whatever its children do. These tests fork without the libraries, to be quick."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from jobs.warm.client import LARGEST, LENGTH, ROOT, SOCKET, Unanswered, ask, clean_environment, is_warm, reachable

from .misbehaving import PLACES


@contextmanager
def process(path: Path, *watched: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.warm.misbehaving", str(path), *map(str, watched)]
    started = subprocess.Popen(command, cwd=ROOT, env=clean_environment())
    try:
        assert in_time(is_warm)
        yield started
    finally:
        started.terminate()
        started.wait(10)


def in_time(condition: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    path = tmp_path_factory.mktemp("warm") / "socket"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SOCKET, str(path))
        patch.setenv("HF_TOKEN", "secret")
        with process(path) as running:
            yield running


@pytest.fixture(autouse=True)
def _still_well(started: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After every test it answers, and no child is left."""
    path = os.environ[SOCKET]
    yield
    monkeypatch.setenv(SOCKET, path)
    assert ask("echo", seconds=5, word="hello")["said"] == {"word": "hello"}
    assert in_time(lambda: not psutil.Process(started.pid).children())


def reason(task: str, *, seconds: float = 10, **options: object) -> Unanswered:
    with pytest.raises(Unanswered) as raised:
        ask(task, seconds=seconds, **options)
    return raised.value


def test_a_task_runs_in_a_session_of_its_own_and_knows_no_secret() -> None:
    answer = ask("echo", seconds=5, words=["ä", None, 1.5])
    assert answer["said"] == {"words": ["ä", None, 1.5]}
    assert answer["process"] == answer["session"] != os.getpid()
    assert answer["secret"] is None


def test_a_task_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    note, began = tmp_path / "note", time.monotonic()
    late = reason("nap", seconds=0.5, length=60, note=str(note))
    assert (late.reason, str(late)) == ("timeout", "It took longer than 0.5 s and was stopped.")
    assert time.monotonic() - began < 3
    assert in_time(lambda: not any(psutil.pid_exists(int(pid)) for pid in note.read_text().split()))


def test_waiting_for_a_free_place_counts() -> None:
    with ThreadPoolExecutor(PLACES) as pool:
        for _ in range(PLACES):
            pool.submit(ask, "nap", seconds=5, length=1)
        time.sleep(0.3)
        assert reason("echo", seconds=0.2).reason == "timeout"
        assert ask("echo", seconds=5)["said"] == {}


def test_a_task_that_takes_too_much_memory_is_told_so() -> None:
    assert ask("take", seconds=5, memory=200 * 1024**2, megabytes=100) == {"length": 100 * 1024**2}
    assert reason("take", memory=200 * 1024**2, megabytes=300).reason == "memory"


def test_a_crash_of_native_code_leaves_its_trace() -> None:
    crashed = reason("crash")
    assert crashed.reason == "crashed"
    assert "about to crash" in crashed.log
    assert "Segmentation fault" in crashed.log


def test_an_end_without_an_answer_is_a_crash() -> None:
    assert reason("leave").reason == "crashed"


def test_an_error_is_told_with_its_traceback() -> None:
    failed = reason("refuse")
    assert (failed.reason, str(failed)) == ("failed", "ValueError: no such thing")
    assert "in refuse" in failed.log


def test_an_answer_that_json_cannot_hold_is_an_error() -> None:
    assert "not JSON serializable" in str(reason("no_json"))


def test_of_many_words_the_last_are_kept() -> None:
    log = reason("chatter").log
    assert len(log) < 20_000
    assert "line 199999" in log
    assert "after many words" in log


def test_a_long_answer_arrives_and_one_too_long_does_not() -> None:
    assert len(ask("talk", seconds=10, megabytes=20)["text"]) == 20 * 1024**2
    assert "longer than" in str(reason("talk", megabytes=LARGEST // 1024**2 + 1))


@pytest.mark.parametrize("task", ["nothing", ""])
def test_an_unknown_task_is_refused(task: str) -> None:
    assert "makes no sense" in str(reason(task))


def test_a_wrong_argument_is_refused() -> None:
    assert "unexpected keyword argument" in str(reason("take", gigabytes=1))


def test_when_the_caller_goes_away_the_work_ends(tmp_path: Path) -> None:
    note = tmp_path / "note"
    with connected() as caller:
        caller.sendall(frame(b'{"task": "nap", "seconds": 60, "memory": 1000000000, "arguments": '
                             b'{"length": 60, "note": "%s"}}' % bytes(note)))  # fmt: skip
        assert in_time(lambda: note.exists() and len(note.read_text().split()) == 2)
    assert in_time(lambda: not any(psutil.pid_exists(int(pid)) for pid in note.read_text().split()))


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'{"task": "echo"}', b'{"task": [], "seconds": 1}'])
def test_nonsense_is_answered(body: bytes) -> None:
    with connected() as caller:
        caller.sendall(frame(body))
        assert b"makes no sense" in caller.recv(1000)


def test_a_caller_that_stops_in_the_middle_disturbs_nobody() -> None:
    with connected() as caller:
        caller.sendall(LENGTH.pack(1000) + b"half")
    with connected() as caller:
        caller.sendall(LENGTH.pack(LARGEST + 1))
        assert b"makes no sense" in caller.recv(1000)


def test_many_at_once_are_all_answered() -> None:
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda number: ask("echo", seconds=30, number=number), range(60)))
    assert [answer["said"]["number"] for answer in answers] == list(range(60))
    assert len({answer["process"] for answer in answers}) == 60


def test_what_a_task_leaves_behind_is_ended(tmp_path: Path) -> None:
    note = tmp_path / "note"
    ask("leave_one_behind", seconds=5, note=str(note))
    assert in_time(lambda: not psutil.pid_exists(int(note.read_text())))


def test_only_this_account_can_reach_it() -> None:
    path = Path(os.environ[SOCKET])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_changed_code_ends_it_once_its_work_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOCKET, str(tmp_path / "socket"))
    code = tmp_path / "code"
    code.mkdir()
    with process(tmp_path / "socket", code) as running, ThreadPoolExecutor(1) as pool:
        nap = pool.submit(ask, "nap", seconds=10, length=1)
        time.sleep(0.2)
        (code / "new.py").write_text("")
        assert reason("echo").reason == "absent"
        assert not is_warm()
        assert nap.result() == {}
        assert running.wait(5) == 0
        assert not (tmp_path / "socket").exists()


def test_when_it_is_killed_its_children_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOCKET, str(tmp_path / "socket"))
    note = tmp_path / "note"
    with process(tmp_path / "socket") as running, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, "nap", seconds=60, length=60, note=str(note))
        assert in_time(lambda: note.exists() and len(note.read_text().split()) == 2)
        running.send_signal(signal.SIGKILL)
        assert "absent" in str(getattr(asked.exception(), "reason", ""))
        assert in_time(lambda: not psutil.pid_exists(int(note.read_text().split()[0])))
    assert reason("echo").reason == "absent"


def test_a_home_with_a_long_name_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ("x" * 120) / ("y" * 120) / "socket"
    monkeypatch.setenv(SOCKET, str(path))
    with process(path):
        assert ask("echo", seconds=5)["said"] == {}


def test_without_a_warm_process_the_answer_is_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(SOCKET, str(tmp_path / "nobody"))
    assert reason("echo").reason == "absent"
    monkeypatch.delenv(SOCKET)
    assert not is_warm()


@contextmanager
def connected() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as caller, reachable(Path(os.environ[SOCKET])) as address:
        caller.connect(address)
        yield caller


def frame(body: bytes) -> bytes:
    return LENGTH.pack(len(body)) + body
