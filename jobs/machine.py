"""What the machine that trains can do. Never imports torch: a GPU is asked through its driver.

That is the machine this process runs on, unless only the web server does: then it is what the node service told.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pynvml
from django.conf import settings

from . import nodes

OPTIONAL_PACKAGES = ("bitsandbytes", "causal_conv1d", "flash_attn")
TUPLES = ("packages", "gpu_memories")
"""Facts that come as lists out of the database."""
CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
FIRST_WITH_BF16 = (8, 0)
"""Compute capability of Ampere, the first generation whose tensor cores take bfloat16."""


def machine_facts() -> dict[str, Any]:
    """The facts of source `machine`."""
    told = None if nodes.is_here() else nodes.told()
    if told is None:
        return {**this_machine(), "nothing_starts": ""}
    listed = {name: tuple(told["machine"][name]) for name in TUPLES if name in told["machine"]}
    return {**told["machine"], **listed, "nothing_starts": nodes.why_nothing_starts()}


def this_machine() -> dict[str, Any]:
    """The same of the machine this process runs on. Hardware and packages are looked at once a minute."""
    environment = settings.ENVIRONMENT
    return {
        "offline": environment.offline,
        "hub_token": bool(environment.hub_token),
        "bytes_per_second": environment.download_mb_per_second * 1_000_000,
        **_disk_facts(),
        **_installed(minute=int(time.monotonic() // 60)),
    }


def _disk_facts() -> dict[str, Any]:
    """Runs and models may lie on disks of their own."""
    runs, models = _existing(settings.RUNS_DIR), _existing(settings.HUB_CACHE_DIR)
    return {
        "disk_free": shutil.disk_usage(runs).free,
        "model_disk_free": shutil.disk_usage(models).free,
        "models_apart": runs.stat().st_dev != models.stat().st_dev,
    }


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest one around it that is there already."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def gpu_count() -> int:
    """GPUs a job can use."""
    count: int = machine_facts()["gpus"]
    return count


def place_count() -> int:
    """Jobs that train at once: one on each GPU; without any, as many as the installation allows."""
    told = None if nodes.is_here() else nodes.told()
    return int(told["places"]) if told else places_here()


def places_here() -> int:
    return int(this_machine()["gpus"]) or int(settings.ENVIRONMENT.cpu_places)


def cards() -> list[dict[str, Any]]:
    """The GPUs a job can use, each as in the fact `gpu_list`: as they are now, or were when the node told of them."""
    told = None if nodes.is_here() else nodes.told()
    facts = told["machine"] if told else _gpu_facts() if this_machine()["gpus"] else {}
    listed: list[dict[str, Any]] = facts.get("gpu_list", [])
    return listed


@lru_cache(maxsize=1)
def _installed(*, minute: int) -> dict[str, Any]:
    """The minute is only the key of the cache."""
    packages = tuple(name for name in OPTIONAL_PACKAGES if find_spec(name))
    versions = {name: _version(name) for name in packages}
    return {"packages": packages, "package_versions": versions, "ram": _memory_of_machine(), **_gpu_facts()}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _memory_of_machine() -> int:
    """What is built in, or what the container may use of it."""
    total = int(psutil.virtual_memory().total)
    limits = [int(text) for path in CONTAINER_LIMITS if (text := _text_of(path)).isdecimal()]
    return min([total, *limits])


def _text_of(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _gpu_facts() -> dict[str, Any]:
    with _driver() as present:
        if not present or not (gpus := pynvml.nvmlDeviceGetCount()):
            return {"gpus": 0}
        listed = [_gpu(index) for index in range(gpus)]
        memories = tuple(gpu["memory"] for gpu in listed)
        return {
            "gpus": gpus,
            "gpu_list": listed,
            "gpu_memories": memories,
            "gpu_memory": max(memories),
            "bf16": all(tuple(gpu["capability"]) >= FIRST_WITH_BF16 for gpu in listed),
        }


def _gpu(index: int) -> dict[str, Any]:
    """One GPU, in plain JSON."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return {
        "index": index,
        "name": _as_text(pynvml.nvmlDeviceGetName(handle)),
        "memory": int(memory.total),
        "free": int(memory.free),
        "capability": list(pynvml.nvmlDeviceGetCudaComputeCapability(handle)),
        "driver": _as_text(pynvml.nvmlSystemGetDriverVersion()),
    }


def _as_text(told: str | bytes) -> str:
    """Older bindings answer with bytes."""
    return told.decode() if isinstance(told, bytes) else told


@contextmanager
def _driver() -> Iterator[bool]:
    """The NVIDIA driver, or False where there is none."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield False
        return
    try:
        yield True
    finally:
        pynvml.nvmlShutdown()
