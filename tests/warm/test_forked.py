"""Trainers out of the warm process: as good as fresh ones, and never two. They are forked without the libraries."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from jobs.run_folder import RunFolder, hold
from jobs.warm import forked
from jobs.warm.becoming import different_variables
from jobs.warm.client import ROOT, SOCKET, ask, clean_environment
from jobs.warm.forked import Forked, NotWarm, fork_trainer

from .test_limits import in_time, process

UNSAID = 99


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    path = tmp_path_factory.mktemp("warm") / "socket"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SOCKET, str(path))
        with process(path) as running:
            yield running


Train = Callable[..., Forked]


@pytest.fixture
def train(started: subprocess.Popen[bytes], tmp_path: Path) -> Iterator[Train]:
    """Have a trainer forked that does what it is told; ended after the test."""
    trainers = []

    def train(*how: str, locks: list[int] | None = None, **environment: str) -> Forked:
        clean = clean_environment({**os.environ, **environment})
        arguments = [str(tmp_path), *how]
        log = tmp_path / "log.txt"
        trainers.append(fork_trainer(arguments, environment=clean, locks=locks or [], log=log, verdict=lambda: UNSAID))
        return trainers[-1]

    yield train
    for trainer in trainers:
        if trainer.poll() is None:
            os.killpg(trainer.pid, signal.SIGKILL)
            trainer.wait(10)


def told(folder: Path) -> dict:
    assert in_time((folder / "told").exists)
    return json.loads((folder / "told").read_text())


def test_it_leads_a_session_under_no_limit_and_as_nobodys_child(train: Train, tmp_path: Path) -> None:
    trainer = train("0")
    assert trainer.wait(10) == 0
    said = told(tmp_path)
    assert (said["pid"], said["leads"], said["term"], said["death_signal"]) == (trainer.pid, True, True, 0)
    assert said["folder"] == str(ROOT)
    fresh = "import resource as r; print([list(r.getrlimit(x)) for x in (r.RLIMIT_CPU, r.RLIMIT_DATA, r.RLIMIT_CORE)])"
    limits = subprocess.run([sys.executable, "-c", fresh], capture_output=True, text=True, check=True)
    assert said["limits"] == json.loads(limits.stdout)
    assert said["oom"] == Path("/proc/self/oom_score_adj").read_text().strip()


def test_its_environment_is_the_one_it_was_given_and_no_other(train: Train, tmp_path: Path) -> None:
    train("0", CUDA_VISIBLE_DEVICES="1", HF_TOKEN="secret", MAIL_PASSWORD="secret").wait(10)
    asked = clean_environment({**os.environ, "CUDA_VISIBLE_DEVICES": "1"})
    assert told(tmp_path)["environment"] == asked


def test_nothing_of_the_server_stays_open_in_it(train: Train, tmp_path: Path) -> None:
    lock = hold(RunFolder(tmp_path))
    assert lock is not None
    other = train("wait")
    told(tmp_path)
    train("0", locks=[lock]).wait(10)
    os.close(lock)
    opened = [name for name in told(tmp_path)["open"] if not name.startswith("/proc/")]
    log = str(tmp_path / "log.txt")
    assert told(tmp_path)["pid"] != other.pid
    assert opened == sorted(["/dev/null", log, log, str(RunFolder(tmp_path).lock)])
    assert other.poll() is None


def test_its_words_are_in_the_log(train: Train, tmp_path: Path) -> None:
    assert train("raise").wait(10) == 1
    words = (tmp_path / "log.txt").read_text()
    assert "said by the trainer" in words and "ValueError: no such thing" in words


def test_its_exit_code_is_told_once_there_is_one(train: Train, tmp_path: Path) -> None:
    trainer = train("wait")
    assert (trainer.poll(), trainer.wait(0.05)) == (None, None)
    os.killpg(trainer.pid, signal.SIGTERM)
    assert (trainer.wait(10), trainer.poll()) == (-signal.SIGTERM, -signal.SIGTERM)
    assert train("143").wait(10) == 143


def test_it_may_replace_itself_and_keeps_its_locks(train: Train, tmp_path: Path) -> None:
    lock = hold(RunFolder(tmp_path))
    trainer = train("run again", locks=[lock])
    os.close(lock)
    assert trainer.wait(10) == 7
    said = told(tmp_path)
    assert (said["pid"], said["leads"]) == (trainer.pid, True)
    assert str(RunFolder(tmp_path).lock) in said["open"]


def test_it_holds_its_locks_and_nobody_else_does(train: Train, tmp_path: Path) -> None:
    lock = hold(RunFolder(tmp_path))
    trainer = train("wait", locks=[lock])
    os.close(lock)
    assert ask("echo", seconds=5)["said"] == {}
    assert hold(RunFolder(tmp_path)) is None
    os.killpg(trainer.pid, signal.SIGKILL)
    assert trainer.wait(10) == -signal.SIGKILL
    os.close(hold(RunFolder(tmp_path)))


def test_a_variable_that_the_libraries_have_read_already_makes_it_refuse(train: Train) -> None:
    with pytest.raises(NotWarm, match="OMP_NUM_THREADS differ"):
        train("0", OMP_NUM_THREADS="17")
    assert different_variables({"PATH": "x", "HF_HOME": "a"}, {"CUDA_VISIBLE_DEVICES": "1"}) == ["HF_HOME"]


def test_without_a_warm_process_there_is_none(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOCKET, "/nowhere")
    with pytest.raises(NotWarm):
        train("0")


def test_a_server_that_does_not_answer_starts_none_later(
    train: Train, started: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forked, "ANSWERING", 0.2)
    lock = hold(RunFolder(tmp_path))
    started.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(NotWarm):
            train("0", locks=[lock])
        os.close(lock)
        os.close(hold(RunFolder(tmp_path)))  # nothing that is on its way to a frozen process holds it
    finally:
        started.send_signal(signal.SIGCONT)
    assert ask("echo", seconds=5)["said"] == {}
    assert in_time(lambda: not psutil.Process(started.pid).children())
    assert not (tmp_path / "told").exists()


def test_it_outlives_the_warm_process_and_its_folder_tells_the_rest(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "socket"
    monkeypatch.setenv(SOCKET, str(path))
    arguments, log = [str(tmp_path), "wait"], tmp_path / "log.txt"
    with process(path) as server:
        trainer = fork_trainer(arguments, environment=clean_environment(), locks=[], log=log, verdict=lambda: UNSAID)
        server.kill()
        server.wait(10)
    time.sleep(0.2)
    assert trainer.poll() is None and psutil.pid_exists(trainer.pid)
    os.killpg(trainer.pid, signal.SIGKILL)
    assert trainer.wait(10) == UNSAID


def test_changed_code_restarts_the_server_beside_a_running_trainer(tmp_path: Path, monkeypatch) -> None:
    path, code = tmp_path / "socket", tmp_path / "code"
    code.mkdir()
    (code / "a.py").write_text("")
    monkeypatch.setenv(SOCKET, str(path))
    arguments, log = [str(tmp_path), "wait"], tmp_path / "log.txt"
    with process(path, code) as server:
        trainer = fork_trainer(arguments, environment=clean_environment(), locks=[], log=log, verdict=lambda: UNSAID)
        (code / "a.py").write_text("changed = True")
        with pytest.raises(NotWarm):
            fork_trainer(arguments, environment=clean_environment(), locks=[], log=log, verdict=lambda: UNSAID)
        assert server.wait(10) == 0
    assert trainer.poll() is None
    os.killpg(trainer.pid, signal.SIGTERM)
    assert trainer.wait(10) == UNSAID
