"""Starting a trainer: in a session of its own, with its locks and without the portal's secrets."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from jobs import launching
from jobs.launching import start_trainer, trainer_command
from jobs.run_folder import RunFolder, hold

TELL = "import os, sys; print(sorted(os.environ), os.getsid(0) == os.getpid(), flush=True); "


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start some Python in the place of the trainer; ended after the test."""
    started = []

    def start_python(code, environment=os.environ, locks=()):
        monkeypatch.setattr(launching, "trainer_command", lambda folder, processes: [sys.executable, "-c", code])
        log = tmp_path / "log.txt"
        started.append(start_trainer(RunFolder(tmp_path), environment=environment, locks=locks, log=log))
        return started[-1]

    yield start_python
    for trainer in started:
        if trainer.poll() is None:
            os.killpg(trainer.pid, signal.SIGKILL)
            trainer.wait(10)


def test_a_trainer_leads_a_session_and_its_words_go_to_the_log(start, tmp_path):
    assert start(TELL).wait(20) == 0
    assert (tmp_path / "log.txt").read_text().endswith(" True\n")


def test_a_trainer_knows_no_secret_and_is_off_the_network(start, tmp_path):
    secrets = {"HF_TOKEN": "x", "DATABASE_URL": "x", "FORETUNE_SECRET_KEY": "x", "MAIL_PASSWORD": "x"}
    assert start(TELL, environment={"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1"} | secrets).wait(20) == 0
    told = (tmp_path / "log.txt").read_text()
    assert not [name for name in secrets if f"'{name}'" in told]
    assert "'CUDA_VISIBLE_DEVICES'" in told and "'HF_HUB_OFFLINE'" in told


def test_the_exit_code_is_told_once_there_is_one(start):
    trainer = start("import time; time.sleep(0.5); raise SystemExit(3)")
    assert (trainer.poll(), trainer.wait(0.01)) == (None, None)
    assert (trainer.wait(20), trainer.poll()) == (3, 3)


def test_a_trainer_that_is_killed_ends_with_minus_the_signal(start):
    trainer = start("import time; time.sleep(60)")
    os.killpg(trainer.pid, signal.SIGKILL)
    assert trainer.wait(20) == -signal.SIGKILL


def test_a_trainer_holds_its_locks_until_it_ends(start, tmp_path):
    lock = hold(RunFolder(tmp_path))
    trainer = start("import time; time.sleep(60)", locks=[lock])
    os.close(lock)
    time.sleep(0.2)
    assert hold(RunFolder(tmp_path)) is None, "the trainer holds it"
    os.killpg(trainer.pid, signal.SIGKILL)
    trainer.wait(20)
    os.close(hold(RunFolder(tmp_path)))


def test_several_processes_are_asked_for_by_number(tmp_path):
    assert trainer_command(tmp_path)[1:] == ["-m", "jobs.trainer", str(tmp_path)]
    assert trainer_command(tmp_path, 2)[-2:] == ["--processes", "2"]
