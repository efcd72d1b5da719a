"""From the submit to the first step through queue, shim and a trainer out of the warm process, against bare TRL."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from jobs.warm.client import SOCKET, is_warm
from tests.benchmarks.bare_trl import bare_seconds
from tests.benchmarks.figures import show
from tests.journeys.portal import environment_of, manage, serve
from tests.tiny_models import make_tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.benchmark]

ROUNDS = 3
GOAL = 0.5
"""Half of what a script takes that imports everything anew: being claimed, checked once more and followed is in it."""
PASSWORD = "a-Long-Enough-1"
ROW = {
    "messages": [{"role": "user", "content": "What is 3 and 4?"}, {"role": "assistant", "content": "The answer is 7."}]
}
JOB = {
    "model": {"name": "house/tiny"},
    "data": {"strategy": "chat", "max_length": 64},
    "training": {"method": "sft", "max_steps": 1},
    "lora": {"target_modules": ["q_proj", "v_proj"]},
}


def test_a_submitted_job_takes_its_first_step_soon(tmp_path: Path) -> None:
    home = tmp_path / "home"
    model = make_tiny_model(home / "models" / "tiny", chat=True)
    rows = tmp_path / "rows.jsonl"
    rows.write_text((json.dumps(ROW) + "\n") * 40)
    prepare(home, model)
    ours, bare = [], []
    with serve(home) as portal, httpx2.Client(base_url=f"{portal.address}/api/v1", timeout=60) as client:
        dataset = log_in_and_upload(client, rows)
        wait_until_warm(home)
        first_step_after_submit(client, dataset)  # is rehearsed before it starts, and what that proves is remembered
        for number in range(ROUNDS):
            ours.append(first_step_after_submit(client, dataset))
            bare.append(bare_seconds(model, rows, tmp_path / f"bare-{number}"))
    assert show("first_step", ours, bare, goal=GOAL)


def prepare(home: Path, model: Path) -> None:
    environment = environment_of(home)
    manage(environment, "migrate", "--verbosity", "0")
    make = (
        "from django.contrib.auth.models import User; from models_catalog.services import register_local; "
        f"User.objects.create_user('owner', password='{PASSWORD}'); "
        f"register_local(name='house/tiny', path={str(model)!r})"
    )
    manage(environment, "shell", "--no-imports", "-c", make)


def log_in_and_upload(client: httpx2.Client, rows: Path) -> int:
    login = {"username": "owner", "password": PASSWORD}
    token = client.post("/auth/token/", json=login).raise_for_status().json()["token"]
    client.headers["Authorization"] = f"Token {token}"
    upload = {"file": (rows.name, rows.read_bytes())}
    number: int = client.post("/datasets/", files=upload).raise_for_status().json()["id"]
    return number


def wait_until_warm(home: Path) -> None:
    end = time.monotonic() + 180
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SOCKET, str(home / "warm" / "socket"))
        while not is_warm():
            assert time.monotonic() < end, "The warm process did not get warm."
            time.sleep(0.2)


def first_step_after_submit(client: httpx2.Client, dataset: int) -> float:
    """Seconds by the clock: the trainer writes down when its first step was done. Waits for the job's end."""
    spec: dict[str, Any] = {**JOB, "data": {**JOB["data"], "dataset": str(dataset)}}
    submitted = time.time()
    job = client.post("/jobs/", json=spec).raise_for_status().json()["id"]
    while client.get(f"/jobs/{job}/").json()["state"] != "succeeded":
        assert time.time() < submitted + 300, client.get(f"/jobs/{job}/").text
        time.sleep(0.5)
    events = client.get(f"/jobs/{job}/events/").json()["events"]
    first = next(event for event in events if event["event"] == "step")
    return datetime.fromisoformat(first["at"]).timestamp() - submitted
