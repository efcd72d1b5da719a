"""A job whose model is not here: it is fetched, killed in the middle, fetched on, and trained on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from jobs.warm.client import SOCKET
from tests.jobs.real_portal import RealPortal
from tests.models_catalog.hub import running_hub
from tests.tiny_models import make_tiny_model

pytestmark = pytest.mark.slow
NAME, WEIGHTS = "acme/tiny-chat", "model.safetensors"


def downloading(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get("FORETUNE_HOME") == str(home)
            if process.cmdline()[2:3] == ["download"] and ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_model_is_fetched_for_its_job_over_a_kill(tmp_path, warm):
    make_tiny_model(tmp_path / "tiny", "llama", chat=True)
    portal = RealPortal(tmp_path / "home", Path(os.environ[SOCKET]))
    with running_hub() as hub:
        hub.publish(NAME, tmp_path / "tiny")
        weights = len(hub.repositories[NAME][WEIGHTS])
        hub.bytes_per_second = weights // 8
        portal.environment |= {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
        pk = portal.do("submit_from_hub", NAME, {"training.num_epochs": 1})
        portal.do("tick")
        job = portal.wait(pk, lambda job: "of" in (job["progress"] or {}).get("text", "") or job["error"], 120)
        assert job["state"] == "preparing", (job["error"], portal.log(pk))
        assert job["progress"]["text"].startswith("Downloading model…")
        portal.wait(pk, lambda job: hub.sent[WEIGHTS] > weights // 4, 60)
        [process] = downloading(portal.home)
        process.send_signal(signal.SIGKILL)
        job = portal.wait(pk, lambda job: job["state"] in ("succeeded", "failed", "refused"), 180)
    assert job["state"] == "succeeded", (job["error"], portal.log(pk))
    assert hub.sent[WEIGHTS] <= weights + (1 << 18)
    assert downloading(portal.home) == []
