"""Photographs of the main pages for README and documentation: `make screenshots`. The jobs in them are made up.

No test by name, so it only runs when it is asked for by its path.
"""

from __future__ import annotations

import json
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from playwright.sync_api import Page, expect

from datasets_app.services import create_dataset
from jobs.demo.sample import write_sample
from jobs.models import Job
from tests.make import make_job, make_model, make_spec

from .conftest import PHONE, OpenPage
from .pages import NewJob

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
SMOL, GPT2 = "HuggingFaceTB/SmolLM2-135M-Instruct", "openai-community/gpt2"
STEPS, DONE = 120, 84
PAST = (("first try", "failed", 0), ("keeper", "succeeded", STEPS), ("keeper, r 32", "cancelled", 40))
PAGES = {
    "home": "/",
    "history": "/jobs/",
    "dataset": "/datasets/{dataset}/",
    "models": "/models/",
    "account": "/account/",
}
TALL = {"width": 1360, "height": 1240}


@pytest.fixture
def dataset(owner: User, tmp_path: Path, settings: Any) -> Any:
    make_model(SMOL)
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"offline": False})  # GPT-2 could be fetched
    rows = write_sample(tmp_path / "rows").read_bytes() + b'{"messages": null}\n{"messages": [}\n'
    return create_dataset(owner=owner, name="Lighthouse keeper", upload=SimpleUploadedFile("keeper.jsonl", rows))


@pytest.fixture
def history(owner: User, dataset: Any) -> Job:
    """A few jobs that have ended and one that trains."""
    for name, state, step in PAST:
        metrics = {"loss": loss_at(step)} if step else {}
        make_job(owner, name=name, state=state, metrics=metrics, step=step, total_steps=STEPS, dataset=dataset)
    return running_job(owner, dataset)


def running_job(owner: User, dataset: Any) -> Job:
    spec = make_spec(**{"model.name": SMOL, "data.dataset": str(dataset.pk), "lora.r": 16, "lora.alpha": 32})
    now = timezone.now()
    job = make_job(
        owner, name="lighthouse-keeper", state="running", spec=spec, dataset=dataset, attempt=1, machine="testmachine",
        started_at=now - timedelta(minutes=4), step=DONE, total_steps=STEPS,
        metrics={"loss": loss_at(DONE), "learning_rate": 6e-5, "grad_norm": 0.7, "epoch": 2.1},
        progress={"text": f"Training, {STEPS} steps", "fraction": DONE / STEPS, "eta_seconds": 96},
    )  # fmt: skip
    job.run_dir.mkdir(parents=True, exist_ok=True)
    events = [step_event(step, now - timedelta(seconds=3 * (DONE - step))) for step in range(1, DONE + 1)]
    (job.run_dir / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (job.run_dir / "log.txt").write_text("Loading HuggingFaceTB/SmolLM2-135M-Instruct\nTokenising 320 rows\n")
    return job


def loss_at(step: int) -> float:
    return round(0.45 + 3.2 * math.exp(-step / 22) + 0.08 * math.sin(step * 1.7), 4)


def step_event(step: int, at: Any) -> dict[str, Any]:
    return {
        "at": at.isoformat(), "event": "step", "step": step, "total_steps": STEPS, "epoch": step / 40,
        "loss": loss_at(step), "learning_rate": 2e-4 * (1 - step / STEPS), "grad_norm": 0.7, "seconds": 3.0 * step,
    }  # fmt: skip


def photograph(page: Page, name: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=FOLDER / f"{name}.png")


def test_new_job(browse: OpenPage, owner: User, dataset: Any) -> None:
    form = NewJob(browse(owner, "/jobs/new", viewport=TALL))
    form.choose("data.dataset", str(dataset.pk))
    form.choose("model.name", GPT2)
    form.type("training.num_epochs", "50")
    expect(form.page.locator("#verdict")).not_to_contain_text("Ready to start")
    form.page.evaluate("() => window.scrollTo(0, 0)")
    photograph(form.page, "new-job")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_job(browse: OpenPage, owner: User, history: Job, theme: str) -> None:
    page = browse(owner, f"/jobs/{history.pk}/", theme=theme)
    page.wait_for_timeout(1500)  # the loss curve draws itself from the events
    photograph(page, f"job-{theme}")


@pytest.mark.parametrize("name", PAGES)
def test_page(browse: OpenPage, owner: User, history: Job, name: str) -> None:
    page = browse(owner, PAGES[name].format(dataset=history.dataset_id))
    photograph(page, name)


def test_on_a_phone(browse: OpenPage, owner: User, history: Job) -> None:
    photograph(browse(owner, f"/jobs/{history.pk}/", viewport=PHONE), "job-phone")
