"""What this machine can do, told without torch."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from uuid import uuid4

import pynvml
import pytest
from django.conf import settings
from django.utils import timezone

from jobs import machine, nodes
from jobs.models import Node


@pytest.fixture(autouse=True)
def _look_again(monkeypatch):
    monkeypatch.setenv(nodes.GENERATION, str(uuid4()))
    machine._installed.cache_clear()
    yield
    machine._installed.cache_clear()


def make_driver(monkeypatch, *capabilities):
    """An NVIDIA driver with one GPU for each capability, the n-th with n GiB."""
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(capabilities))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: index)
    monkeypatch.setattr(
        pynvml, "nvmlDeviceGetMemoryInfo", lambda gpu: SimpleNamespace(total=(gpu + 1) << 30, free=1 << 20)
    )
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda gpu: f"Card {gpu}")
    monkeypatch.setattr(pynvml, "nvmlSystemGetDriverVersion", lambda: b"580.65")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCudaComputeCapability", lambda gpu: capabilities[gpu])


def no_driver():
    raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)


def test_without_a_driver_there_are_no_gpus(monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlInit", no_driver)
    facts = machine.machine_facts()
    assert facts["gpus"] == 0 and "gpu_memory" not in facts


def test_the_largest_gpu_counts(monkeypatch):
    make_driver(monkeypatch, (8, 0), (9, 0))
    facts = machine.machine_facts()
    assert (facts["gpus"], facts["gpu_memory"], facts["bf16"]) == (2, 2 << 30, True)


def test_each_gpu_is_told(monkeypatch):
    make_driver(monkeypatch, (8, 0), (9, 0))
    facts = machine.machine_facts()
    assert facts["gpu_memories"] == (1 << 30, 2 << 30)
    assert facts["gpu_list"][1] == {
        "index": 1, "name": "Card 1", "memory": 2 << 30, "free": 1 << 20, "capability": [9, 0], "driver": "580.65",
    }  # fmt: skip


def test_a_container_may_use_less_than_is_built_in(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(machine, "CONTAINER_LIMITS", (limit, tmp_path / "absent"))
    limit.write_text("max\n")
    built_in = machine._memory_of_machine()
    limit.write_text("1048576\n")
    assert machine._memory_of_machine() == 1048576 < built_in


def test_a_gpu_before_ampere_has_no_bf16(monkeypatch):
    make_driver(monkeypatch, (7, 5))
    assert machine.machine_facts()["bf16"] is False


def test_hardware_is_looked_at_once_a_minute(monkeypatch):
    make_driver(monkeypatch, (8, 0))
    monkeypatch.setattr(machine.time, "monotonic", lambda: 60.0)
    machine.machine_facts()
    make_driver(monkeypatch, (8, 0), (8, 0))
    assert machine.gpu_count() == 1
    monkeypatch.setattr(machine.time, "monotonic", lambda: 120.0)
    assert machine.gpu_count() == 2


def test_what_an_administrator_has_set_is_told():
    facts = machine.machine_facts()
    assert facts["offline"] is True and facts["hub_token"] is False
    assert facts["bytes_per_second"] == settings.ENVIRONMENT.download_mb_per_second * 1_000_000
    assert facts["disk_free"] > 0


def test_torch_is_never_imported():
    code = "import sys, django; django.setup(); import jobs.machine; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


TOLD = {
    "machine": {"gpus": 1, "gpu_memories": [5], "packages": ["flash_attn"], "gpu_list": [{"index": 0}], "bf16": True},
    "places": 1,
    "closed": "",
}


@pytest.fixture
def elsewhere(db, monkeypatch):
    """A process of the web server alone, which has no GPU."""
    monkeypatch.delenv(nodes.GENERATION)
    monkeypatch.setattr(pynvml, "nvmlInit", no_driver)


def make_node(**values):
    now = timezone.now()
    return Node.objects.create(name="node", **{"started_at": now, "seen_at": now, "facts": TOLD, **values})


def test_a_web_server_without_a_gpu_knows_what_the_node_told(elsewhere):
    make_node()
    facts = machine.machine_facts()
    assert (facts["gpus"], facts["gpu_memories"], facts["packages"]) == (1, (5,), ("flash_attn",))
    assert (machine.gpu_count(), machine.place_count(), machine.cards()) == (1, 1, [{"index": 0}])
    assert facts["nothing_starts"] == ""


def test_a_node_that_is_away_is_remembered_and_said_to_be_away(elsewhere):
    make_node(seen_at=None)
    facts = machine.machine_facts()
    assert facts["gpus"] == 1
    assert facts["nothing_starts"].startswith("No machine takes jobs at present")


def test_where_no_node_service_ever_ran_it_is_this_machine(elsewhere):
    facts = machine.machine_facts()
    assert facts["gpus"] == 0 and facts["disk_free"] > 0
    assert facts["nothing_starts"] == ""


def test_on_the_node_itself_the_real_machine_is_looked_at_again(db, monkeypatch):
    make_node()
    make_driver(monkeypatch, (8, 0), (8, 0))
    assert machine.gpu_count() == len(machine.cards()) == machine.place_count() == 2
