"""What this machine can do, told without torch."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pynvml
import pytest
from django.conf import settings

from jobs import machine


@pytest.fixture(autouse=True)
def _look_again():
    machine._installed.cache_clear()
    yield
    machine._installed.cache_clear()


def make_driver(monkeypatch, *capabilities):
    """An NVIDIA driver with one GPU for each capability, the n-th with n GiB."""
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(capabilities))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: index)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", lambda gpu: SimpleNamespace(total=(gpu + 1) << 30))
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
    code = "import sys; from importlib.util import find_spec; import jobs.machine; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
