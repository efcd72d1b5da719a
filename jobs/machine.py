"""What the machine this process runs on can do. Never imports torch: a GPU is asked through its driver."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import pynvml
from django.conf import settings

OPTIONAL_PACKAGES = ("bitsandbytes", "flash_attn")
FIRST_WITH_BF16 = (8, 0)
"""Compute capability of Ampere, the first generation whose tensor cores take bfloat16."""


def machine_facts() -> dict[str, Any]:
    """The facts of source `machine`. Hardware and packages are looked at once a minute."""
    environment = settings.ENVIRONMENT
    return {
        "offline": environment.offline,
        "hub_token": bool(environment.hub_token),
        "bytes_per_second": environment.download_mb_per_second * 1_000_000,
        "disk_free": shutil.disk_usage(settings.HOME).free,
        **_installed(minute=int(time.monotonic() // 60)),
    }


def gpu_count() -> int:
    """GPUs a job can use."""
    count: int = machine_facts()["gpus"]
    return count


@lru_cache(maxsize=1)
def _installed(*, minute: int) -> dict[str, Any]:
    """The minute is only the key of the cache."""
    packages = tuple(name for name in OPTIONAL_PACKAGES if find_spec(name))
    return {"packages": packages, **_gpu_facts()}


def _gpu_facts() -> dict[str, Any]:
    with _driver() as present:
        if not present or not (gpus := pynvml.nvmlDeviceGetCount()):
            return {"gpus": 0}
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(gpus)]
        return {
            "gpus": gpus,
            "gpu_memory": max(int(pynvml.nvmlDeviceGetMemoryInfo(handle).total) for handle in handles),
            "bf16": all(pynvml.nvmlDeviceGetCudaComputeCapability(handle) >= FIRST_WITH_BF16 for handle in handles),
        }


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
