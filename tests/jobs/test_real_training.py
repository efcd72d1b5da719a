"""From the queue to the adapter with nothing replaced: tick, supervisor and trainer in processes of their own."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from jobs.warm.client import SOCKET
from tests.jobs.real_portal import RealPortal
from tests.tiny_models import make_tiny_model

pytestmark = pytest.mark.slow
ENDED = ("succeeded", "failed", "cancelled", "refused")
LONG = {"training.num_epochs": 1000}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny", "llama", chat=True)


@pytest.fixture
def portal(tmp_path, warm):
    """Its rehearsals are held by the warm process of this session: a fresh one would import everything each time."""
    return RealPortal(tmp_path / "home", Path(os.environ[SOCKET]))


def start(portal, tiny, **changes):
    pk = portal.do("submit", str(tiny), changes)
    portal.do("tick")
    return pk


def started(portal, tiny):
    """A job that has made its first steps and has many more to make."""
    pk = start(portal, tiny, **LONG)
    portal.wait(pk, lambda job: job["state"] in ENDED or job["step"] > 0, 180)
    assert portal.job(pk)["state"] == "running", portal.log(pk)
    return pk


def has_ended(job):
    return job["state"] in ENDED


def test_a_job_trains_and_its_adapter_can_be_fetched(portal, tiny):
    pk = start(portal, tiny, **{"training.num_epochs": 2})
    job = portal.wait(pk, has_ended, 180)
    assert job["state"] == "succeeded", (job["error"], portal.log(pk))
    assert job["step"] == job["total_steps"] == 10
    assert job["metrics"]["loss"] > 0 and job["result"]["rows_left_out"] == 0
    fetched = portal.do("fetch_artifacts", pk)
    assert {"adapter_model.safetensors", "adapter_config.json", "run.json", "tokenizer_config.json"} <= fetched.keys()


def test_a_trainer_that_is_killed_goes_on_from_its_last_checkpoint(portal, tiny):
    pk = start(portal, tiny, **{"training.num_epochs": 20})
    portal.wait(pk, lambda job: job["state"] in ENDED or portal.has_checkpoint(pk), 180)
    os.kill(portal.trainer_pid(pk), signal.SIGKILL)
    portal.wait(pk, lambda job: job["state"] == "queued", 20)
    portal.do("tick")
    job = portal.wait(pk, has_ended, 180)
    assert (job["state"], job["step"], job["attempt"]) == ("succeeded", 100, 2), portal.log(pk)
    first, second = portal.attempts(pk)
    assert (first["outcome"], first["exit_code"]) == ("crashed", -9)
    assert 0 < second["first_step"] <= first["last_step"]


def test_a_running_job_is_cancelled_within_ten_seconds(portal, tiny):
    pk = started(portal, tiny)
    portal.do("cancel", pk)
    asked = time.monotonic()
    job = portal.wait(pk, has_ended, 15)
    assert job["state"] == "cancelled" and time.monotonic() - asked < 10
    assert not psutil.pid_exists(portal.trainer_pid(pk))


def test_when_everything_is_killed_the_next_tick_starts_it_again(portal, tiny):
    pk = started(portal, tiny)
    trainer = psutil.Process(portal.trainer_pid(pk))
    psutil.Process(portal.shim_pid(pk)).kill()
    trainer.kill()
    time.sleep(1)
    assert portal.job(pk)["state"] == "running"
    portal.do("tick")
    assert portal.attempts(pk)[0]["outcome"] == "lost"
    job = portal.wait(pk, lambda job: job["attempt"] == 2 and job["state"] == "running", 60)
    assert job["crashes"] == 0, "it had come further than ever before"
    portal.do("cancel", pk)
    portal.wait(pk, has_ended, 15)


def test_ticks_at_the_same_time_start_a_job_once(portal, tiny):
    pk = portal.do("submit", str(tiny), LONG)
    portal.do("ticks_at_once")
    job = portal.wait(pk, lambda job: job["state"] == "running", 60)
    assert job["attempt"] == 1
    assert [each.name for each in (portal.home / "runs" / str(pk)).iterdir() if each.is_dir()] == ["1"]
    portal.do("cancel", pk)
    portal.wait(pk, has_ended, 15)
