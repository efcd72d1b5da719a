"""Photographs of the main pages for README and documentation: `make screenshots`. The jobs in them are made up.

No test by name, so it only runs when it is asked for by its path.
"""

from __future__ import annotations

import json
import math
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from playwright.sync_api import Page, expect

from datasets_app.services import create_dataset
from jobs import queueing
from jobs.demo.sample import write_sample
from jobs.models import Attempt, Job, Node, Place, Rehearsal, Trial
from jobs.rulebook.estimate import Estimate
from models_catalog.demo_model import register_demo_model
from models_catalog.looks import look_into
from tests.make import make_job, make_model, make_spec, make_user
from tests.pages.rehearsed import NOT_POSSIBLE, document

from .conftest import PHONE, OpenPage
from .pages import NewJob

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
SMOL, GPT2 = "HuggingFaceTB/SmolLM2-135M-Instruct", "openai-community/gpt2"
STEPS, DONE = 120, 84
DIED_AT, RESUMED_AT = 45, 40
PAST = (("first try", "failed", 0), ("keeper", "succeeded", STEPS), ("keeper, r 32", "cancelled", 40))
PAGES = {
    "home": "/",
    "history": "/jobs/",
    "dataset": "/datasets/{dataset}/",
    "models": "/models/",
    "account": "/account/",
}
TALL = {"width": 1360, "height": 1240}
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
WHY = ("longest, most turns", "shortest", "a role seen once", "drawn at random", "drawn at random")
ROWS = [
    {"line": line, "why": why, "tokens": tokens, "trained_tokens": tokens - 34, "cut": False}
    for line, why, tokens in zip((140, 8, 21, 116, 225), WHY, (118, 41, 77, 80, 69), strict=True)
]
PROVED = (
    ("The trainer starts on a LlamaForCausalLM with 1 of 30 layers.", {"architecture": "LlamaForCausalLM"}),
    ("The trainer read 5 rows: 385 tokens, 215 of them to learn from.", {"tokens": 385, "trained_tokens": 215}),
    ("5 of 5 rows teach the model to stop, with <|im_end|>.", {"rows": 5, "ended": 5}),
    ("The loss was a number in every step: 11.317 and 11.302.", {"losses": [11.317, 11.302]}),
    (f"Every LoRA target got a gradient: {', '.join(TARGETS)}.", {"modules": dict.fromkeys(TARGETS, 1)}),
    ("The adapter was saved, loaded again and gave the same logits.", {"difference": 0.0}),
)
LIBRARIES = {"torch": "2.13.0", "transformers": "5.23.0", "peft": "0.21.2", "trl": "1.16.0"}
REHEARSED = document(
    proved=[{"code": "proved", "text": text, "evidence": evidence} for text, evidence in PROVED],
    rows=ROWS, libraries=LIBRARIES, seconds={"total": 3.4},
)  # fmt: skip
NOT_BUILT = "One layer of it has 7.1 B parameters, which is more than a stand-in can hold."
WHY_NOT = f"This job could not be rehearsed: {NOT_BUILT[0].lower()}{NOT_BUILT[1:]}"
UNDONE = document("not_rehearsed", reason=NOT_BUILT, proved=[], rows=[], seconds={})
KILLED = "The training process was ended from outside (SIGKILL), which mostly means that the machine ran out of memory."
HAPPENED = (
    ("checking", ""),
    ("queued", "Rehearsed: it works."),
    ("preparing", "Claimed by testmachine."),
    ("running", "Training starts."),
    ("queued", f"{KILLED} It goes on by itself from its last checkpoint."),
    ("preparing", "Claimed by testmachine."),
    ("running", "Training starts."),
    ("running", f"Resumed at step {RESUMED_AT}."),
)


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
    """It was killed once, and goes on from its last checkpoint."""
    spec = make_spec(**{"model.name": SMOL, "data.dataset": str(dataset.pk), "lora.r": 16, "lora.alpha": 32})
    now = timezone.now()
    job = make_job(
        owner, name="lighthouse-keeper", state="running", spec=spec, dataset=dataset, attempt=2, machine="testmachine",
        started_at=now - timedelta(minutes=4), step=DONE, total_steps=STEPS, lease_until=now + timedelta(hours=1),
        metrics={"loss": loss_at(DONE), "learning_rate": 6e-5, "grad_norm": 0.7, "epoch": 2.1},
        progress={"text": f"Training, {STEPS} steps", "fraction": DONE / STEPS, "eta_seconds": 96},
    )  # fmt: skip
    for state, reason in HAPPENED:
        job.transitions.create(to_state=state, reason=reason)
    killed = {"code": "run.killed", "severity": "error", "field": None, "message": KILLED}
    half, ended = now - timedelta(minutes=2), {"outcome": "crashed", "error": killed, "last_step": DIED_AT}
    write_attempt(job, 1, range(1, DIED_AT + 1), now - timedelta(minutes=4), ended_at=half, **ended)
    write_attempt(job, 2, range(RESUMED_AT + 1, DONE + 1), half, first_step=RESUMED_AT)
    Place.objects.create(machine="testmachine", slot=0, job=job)
    return job


def write_attempt(job: Job, number: int, steps: range, began: Any, **values: Any) -> None:
    Attempt.objects.create(job=job, number=number, machine="testmachine", started_at=began, **values)
    folder = job.run_dir.with_name(str(number))
    folder.mkdir(parents=True, exist_ok=True)
    events = [step_event(step, began + timedelta(seconds=3 * place)) for place, step in enumerate(steps)]
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (folder / "log.txt").write_text("Loading HuggingFaceTB/SmolLM2-135M-Instruct\nTokenising 320 rows\n")


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


@pytest.mark.usefixtures("nothing_was_rehearsed")
def test_rehearsal(browse: OpenPage, owner: User, dataset: Any) -> None:
    form = NewJob(browse(owner, "/jobs/new"))
    form.choose("data.dataset", str(dataset.pk))
    form.choose("model.name", SMOL)
    form.choose("data.bad_rows", "drop")
    card = form.page.locator("#rehearsal")
    card.get_by_role("button", name="Rehearse now").click()
    expect(card).to_contain_text("under way")
    Trial.objects.update(answer={"rehearsal": REHEARSED})
    card.get_by_text("rows of your dataset").click()
    card.screenshot(path=FOLDER / "rehearsal.png")


@pytest.mark.usefixtures("warm")
def test_model(browse: OpenPage, owner: User) -> None:
    """The model of the demo, with what looking into it really finds."""
    pytest.importorskip("gguf", reason="needs the demo extra, which unpacks SmolLM2")
    model = register_demo_model()
    look_into(model)
    page = browse(owner, model.get_absolute_url(), viewport=TALL)
    photograph(page, "model")
    page.get_by_role("button", name="Render", exact=True).last.click()
    page.locator(".tokens").wait_for()
    page.locator("section", has=page.locator("#playground")).last.screenshot(path=FOLDER / "playground.png")


def test_refused(browse: OpenPage, owner: User, dataset: Any) -> None:
    rehearsal = Rehearsal.objects.create(document=UNDONE)
    job = running_job(owner, dataset)
    job.attempts.all().delete()
    Job.objects.filter(pk=job.pk).update(
        state="refused", attempt=0, rehearsal=rehearsal, error=NOT_POSSIBLE | {"message": WHY_NOT}, progress={}
    )
    page = browse(owner, f"/jobs/{job.pk}/")
    page.screenshot(path=FOLDER / "refused.png", clip={"x": 0, "y": 0, "width": 1360, "height": 500})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_job(browse: OpenPage, owner: User, history: Job, theme: str) -> None:
    page = browse(owner, f"/jobs/{history.pk}/", theme=theme)
    expect(page.locator("loss-chart")).to_have_attribute("aria-label", re.compile("Training loss over"))
    photograph(page, f"job-{theme}")


def test_queue(browse: OpenPage, owner: User, history: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queueing, "estimate", lambda facts: Estimate(seconds=1500))
    Node.objects.create(name="testmachine", seen_at=timezone.now() + timedelta(hours=1))
    make_job(make_user("colleague"))
    for name in ("keeper, r 64", "keeper, 5 epochs"):
        make_job(owner, name=name)
    make_job(owner, name="keeper, full", state="paused", attempt=1, step=40, total_steps=STEPS)
    page = browse(owner, "/queue/")
    page.screenshot(path=FOLDER / "queue.png", clip={"x": 0, "y": 0, "width": 1360, "height": 720})


@pytest.mark.parametrize("name", PAGES)
def test_page(browse: OpenPage, owner: User, history: Job, name: str) -> None:
    page = browse(owner, PAGES[name].format(dataset=history.dataset_id))
    photograph(page, name)


def test_on_a_phone(browse: OpenPage, owner: User, history: Job) -> None:
    photograph(browse(owner, f"/jobs/{history.pk}/", viewport=PHONE), "job-phone")
