"""The files a job leaves to be downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .models import Job
from .run_folder import RunFolder


def artifacts(job: Job) -> list[dict[str, Any]]:
    """Name, size in bytes and SHA-256 of each, as the trainer recorded them."""
    recorded: list[dict[str, Any]] = job.result.get("artifacts", [])
    return recorded


def artifact_path(job: Job, name: str) -> Path | None:
    """Where a recorded artifact lies; None when there is none of this name.

    The name is looked up among the recorded ones, so that no name from a request becomes a path.
    """
    output = RunFolder(job.run_dir).output.resolve()
    recorded = {artifact["name"]: output / artifact["name"] for artifact in artifacts(job)}
    path = recorded.get(name)
    inside = path is not None and path.resolve().is_relative_to(output)
    return path if inside and path is not None and path.is_file() else None
