"""Several processes that are one trainer: exit codes, failures, and who ends whom. Without the libraries."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from jobs.run_folder import RunFolder, hold
from jobs.trainer import ranks
from jobs.trainer.events import Events
from jobs.trainer.failures import failure
from jobs.trainer.ranks import common, tell_first_failure, watch
from jobs.trainer.together import agreed, all_or_none, is_first
from tests.trainer.runs import ROOT

KILL, ABORT, TERM = -signal.SIGKILL, -signal.SIGABRT, -signal.SIGTERM


@pytest.mark.parametrize(
    ("codes", "one"),
    [
        ([0, 0], 0),
        ([0, ABORT], 0),  # the result is written; what a library does at its end is no matter
        ([143, 143], 143),
        ([143, None], 143),
        ([1, None], 1),
        ([None, 1], 1),
        ([ABORT, 1], 1),
        ([KILL, None], KILL),
        ([1, KILL], KILL),  # the first only lost touch with the one that was killed
        ([ABORT, None], ABORT),
    ],
)
def test_one_exit_code_tells_of_all(codes, one):
    assert common(codes) == one


def test_one_that_loses_touch_with_one_that_has_stopped_did_not_fail():
    assert (common([1, 143], stopped=True), common([1, 143])) == (143, 1)


def processes(*codes):
    return [subprocess.Popen([sys.executable, "-c", code]) for code in codes]


WAITS = "import time; time.sleep(60)"


@pytest.mark.parametrize("end", ["import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "raise SystemExit(1)"])
def test_a_dead_one_ends_all(end, monkeypatch):
    monkeypatch.setattr(ranks, "AFTER_A_FAILURE", 0.1)
    started = processes(WAITS, end, WAITS)
    began = time.monotonic()
    assert watch(started) == [None, started[1].returncode, None]
    assert time.monotonic() - began < 10
    assert [each.returncode for each in started][::2] == [KILL, KILL]


def test_one_that_has_ended_well_is_followed_by_the_others_in_time(monkeypatch):
    monkeypatch.setattr(ranks, "TOGETHER", 0.3)
    assert watch(processes("", "import time; time.sleep(0.1)")) == [0, 0]
    assert watch(processes("raise SystemExit(143)", WAITS)) == [143, None]


IN_THE_PLACE_OF_RANKS = """
import subprocess, sys, time
from pathlib import Path
from jobs.trainer import ranks
real = subprocess.Popen
ranks.subprocess.Popen = lambda command, **more: real(["sleep", "60"], **more)
started = [ranks.start(Path(), Path(), rank, 2) for rank in range(2)]
print(*[each.pid for each in started], flush=True)
time.sleep(15)
"""


def test_none_outlives_the_one_that_started_it_and_all_hold_its_locks(tmp_path):
    lock = hold(RunFolder(tmp_path))
    command = [sys.executable, "-c", IN_THE_PLACE_OF_RANKS]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, pass_fds=[lock]) as first:
        started = [psutil.Process(int(pid)) for pid in first.stdout.readline().split()]
        held = [Path(f"/proc/{each.pid}/fd/{lock}").samefile(RunFolder(tmp_path).lock) for each in started]
        os.close(lock)
        first.kill()
    assert held == [True, True]
    assert in_time(lambda: not [each for each in started if each.is_running() and each.status() != "zombie"])
    os.close(hold(RunFolder(tmp_path)))


def in_time(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def said(file):
    events = map(json.loads, file.read_text().splitlines())
    return [(event["event"], event.get("finding", {}).get("code")) for event in events]


def test_the_first_speaks_for_all_and_the_earliest_failure_is_the_reason(tmp_path, monkeypatch):
    (tmp_path / "ranks").mkdir()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    other = Events.of(tmp_path)
    assert not is_first()
    other.stage("loading", "Loading")
    other.failed(failure("out-of-memory", None, "No.").finding, None)
    time.sleep(0.01)
    monkeypatch.setenv("RANK", "0")
    first = Events.of(tmp_path)
    first.stage("loading", "Loading")
    first.failed(failure("lost-touch", None, "No.").finding, None)
    assert said(tmp_path / "events.jsonl") == [("stage", None)]
    tell_first_failure(tmp_path / "ranks", tmp_path / "events.jsonl")
    assert said(tmp_path / "events.jsonl") == [("stage", None), ("failed", "trainer.out-of-memory")]


def test_one_on_its_own_agrees_with_itself():
    assert (agreed(True), agreed(False)) == (True, False)
    with pytest.raises(ZeroDivisionError), all_or_none():
        raise ZeroDivisionError
