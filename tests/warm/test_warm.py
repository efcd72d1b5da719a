"""The real warm process: what it has imported, and what it is asked in the portal."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.warm.client import ROOT, Unanswered, ask, clean_environment
from models_catalog.catalogue import model_facts
from models_catalog.models import BaseModel, Look
from tests.make import make_family
from tests.tiny_models import make_tiny_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny", "llama", chat=True)


def test_importing_everything_leaves_the_gpu_alone() -> None:
    code = (
        "from jobs.warm.preload import LIBRARIES, preload; preload(LIBRARIES); import threading, torch, sys;"
        "assert not torch.cuda.is_initialized(); assert threading.active_count() == 1;"
        "assert not [name for name in LIBRARIES if name not in sys.modules]"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_model_is_looked_into_warm_and_fresh_alike(warm: None, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask("inspect", seconds=60, folder=str(tiny))
    began = time.monotonic()
    found = ask("inspect", seconds=10, folder=str(tiny))
    assert time.monotonic() - began < 3
    assert found["facts"]["lora_targets"]
    assert found["problems"] == []
    monkeypatch.setenv("FORETUNE_WARM_SOCKET", "/nowhere")
    with pytest.raises(Unanswered, match="No warm process answers"):
        ask("inspect", seconds=10, folder=str(tiny))
    assert ask("inspect", seconds=60, fresh=True, folder=str(tiny))["facts"] == found["facts"]


def test_a_fresh_process_tells_what_went_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETUNE_WARM_SOCKET", "/nowhere")
    with pytest.raises(Unanswered) as failed:
        ask("inspect", seconds=30, fresh=True, directory="x")
    assert failed.value.reason == "failed"
    assert "unexpected keyword argument" in failed.value.log


@pytest.mark.django_db
def test_a_check_knows_an_architecture_that_is_in_no_table(warm: None, tiny: Path) -> None:
    unknown = make_family("Unknown")
    model = BaseModel.objects.create(name="house/tiny", source="local", path=str(tiny), family=unknown)
    facts = model_facts(model.name, look=True)
    assert set(facts["lora_targets"]) >= {"q_proj", "v_proj", "down_proj"}
    assert facts["supports_chat"] is True
    assert facts["parameters"] > 1000
    assert not Look.objects.exists()
