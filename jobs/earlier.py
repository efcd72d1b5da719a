"""An earlier job with whose weights another one begins: which it is, and what of it matters."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User

from .models import Job
from .rulebook import read
from .rulebook.rules.earlier import shape_of_targets
from .run_folder import RunFolder


def earlier_job(number: int, user: User) -> Job | None:
    """None unless it is there and this person may see it."""
    return Job.objects.visible_to(user).filter(pk=number).first()


def earlier_facts(number: int, user: User) -> dict[str, Any]:
    """What the rulebook wants to know of job `number`."""
    job = earlier_job(number, user)
    if job is None:
        return {"start_found": False}
    settings = read(job.spec).effective
    return {
        "start_found": True,
        "start_state": job.state,
        "start_weights": has_weights(job),
        "start_model": settings["model.name"],
        "start_revision": settings["model.revision"] or "",
        "start_method": settings["training.method"],
        "start_lora": _shape(job, settings) if settings["lora.enabled"] else None,
    }


def has_weights(job: Job) -> bool:
    """It has ended with a result, whole or partial, that is still there."""
    return not job.is_active and bool(job.result.get("artifacts")) and RunFolder(job.run_dir).output.is_dir()


def _shape(job: Job, settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "r": settings["lora.r"],
        "alpha": settings["lora.alpha"],
        "targets": shape_of_targets(settings["lora.target_modules"] or job.facts.get("lora_targets")),
        "use_rslora": settings["lora.use_rslora"],
        "use_dora": settings["lora.use_dora"],
    }
