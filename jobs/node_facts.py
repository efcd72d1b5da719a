"""What a machine that trains tells of itself, for the checks, for staff and for monitoring. In plain JSON."""

from __future__ import annotations

import os
import platform
import shutil
import time
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings

from .machine import places_here, this_machine
from .nodes import closed

PACKAGES = (
    "accelerate",
    "bitsandbytes",
    "datasets",
    "flash-attn",
    "peft",
    "tokenizers",
    "torch",
    "transformers",
    "trl",
)


def node_facts() -> dict[str, Any]:
    """Under `machine` what the checks read; beside it what people want to know."""
    told = {"machine": this_machine(), "places": places_here(), "closed": closed()}
    return {**told, **_now(), **_of_this_minute(int(time.monotonic() // 60))}


def _now() -> dict[str, Any]:
    disk = shutil.disk_usage(settings.RUNS_DIR)
    return {
        "disk": {"total": disk.total, "free": disk.free},
        "memory_free": psutil.virtual_memory().available,
        "load": list(os.getloadavg()),
    }


@lru_cache(maxsize=1)
def _of_this_minute(minute: int) -> dict[str, Any]:
    """The minute is only the key of the cache."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "versions": {name: told for name in PACKAGES if (told := _version(name))},
        "models": cached_models(Path(settings.HUB_CACHE_DIR)),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def cached_models(cache: Path) -> list[str]:
    """Names of the models that lie in the hub cache, whole or in part."""
    found = (path.name.removeprefix("models--").replace("--", "/") for path in cache.glob("models--*"))
    return sorted(found)
