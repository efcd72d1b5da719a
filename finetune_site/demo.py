"""The demo: what a new user does, done by a program, through the same services, queue and worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.crypto import get_random_string

from datasets_app.models import Dataset
from datasets_app.services import create_dataset
from jobs.demo.sample import PROMPT, write_sample
from jobs.demo.spec import DEMO_SPEC
from jobs.models import Job
from jobs.review import Review, review
from jobs.rulebook import Choices, read
from jobs.run_folder import RunFolder
from jobs.services import submit

from .environment import ROOT

USER, DATASET = "demo", "Lighthouse keeper (sample)"


def demo_user() -> tuple[User, str]:
    """The demo's account with a new random password, which is known only now."""
    user, _ = User.objects.get_or_create(username=USER)
    password = get_random_string(14)
    user.set_password(password)
    user.save()
    return user, password


def demo_dataset(user: User) -> Dataset:
    """The sample, uploaded once."""
    known = Dataset.objects.filter(owner=user, name=DATASET, status=Dataset.Status.READY).first()
    return known or _upload_sample(user)


def _upload_sample(user: User) -> Dataset:
    with TemporaryDirectory() as folder:
        content = write_sample(Path(folder) / "keeper.jsonl").read_bytes()
    return create_dataset(owner=user, name=DATASET, upload=SimpleUploadedFile("keeper.jsonl", content))


def demo_choices(dataset: Dataset, steps: int | None = None) -> Choices:
    spec = {**DEMO_SPEC, "data": {**DEMO_SPEC["data"], "dataset": str(dataset.pk)}}
    return read(spec).changed({"training.max_steps": steps})


def check_and_submit(choices: Choices, user: User) -> tuple[Review, Job]:
    return review(choices, user=user), submit(choices=choices, user=user, confirmed=True)


def followed(job: Job) -> Iterator[Job]:
    """The job as it is now, again and again until it has ended."""
    while job.is_active:
        yield job
        time.sleep(0.5)
        job.refresh_from_db()
    yield job


def answers(job: Job) -> dict[str, str]:
    """What the model says to the same prompt `before` and `after` the training."""
    assert job.base_model is not None  # noqa: S101 - it has just been trained
    command = [sys.executable, "-m", "jobs.trainer.answer", job.base_model.path]
    command += ["--adapter", str(RunFolder(job.run_dir).output), "--compare", PROMPT]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(settings.HOME / "hub")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    said: dict[str, list[str]] = json.loads(done.stdout)
    return {when: texts[0] for when, texts in said.items()}


def describe(job: Job) -> dict[str, Any]:
    """The numbers of the progress bar."""
    loss = job.metrics.get("loss")
    return {
        "completed": job.step,
        "total": job.total_steps,
        "description": job.progress.get("text") or job.get_state_display(),
        "loss": f"loss {loss:.3f}" if loss is not None else "",
    }
