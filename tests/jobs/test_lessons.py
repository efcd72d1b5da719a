"""Six mistakes that once cost hours: each is refused by API and page with its fix, and again by the worker."""

from __future__ import annotations

import html

import pytest
from django.conf import settings
from django.test import Client

from jobs import shim
from jobs.engines.local import LocalEngine
from jobs.models import Job, State
from jobs.rulebook import read
from jobs.run_folder import RunFolder
from jobs.services import claim
from jobs.shim import Shim
from tests.make import make_client, make_dataset, make_job, make_model, make_spec, make_user

pytestmark = pytest.mark.django_db
CHECK, CREATE = "/api/v1/jobs/check/", "/api/v1/jobs/"
GPT2 = {"model.name": "house/gpt2", "data.strategy": "standard"}


@pytest.fixture(autouse=True)
def _models(monkeypatch):
    monkeypatch.setattr(shim, "ring", lambda: None)
    make_model()
    make_model("house/gpt2", family="GPT-2", chat=False)


def refusal(spec, field):
    """The first finding on a field when API and page are asked to create the job."""
    answer = make_client(make_user()).post(CREATE, spec)
    assert answer.status_code == 400 and not Job.objects.exists()
    finding = next(each for each in answer.json()["findings"] if each["field"] == field)
    page = said_by_the_page(spec)
    assert finding["message"] in page and not Job.objects.exists()
    assert all(fix["label"] in page for fix in finding["fixes"])
    return finding


def said_by_the_page(spec):
    """What somebody reads who typed the same into the form and pressed start."""
    browser = Client()
    browser.force_login(make_user())
    values = {
        path: ", ".join(value) if isinstance(value, tuple) else value for path, value in read(spec).values.items()
    }
    answer = browser.post("/jobs/new", {**values, "confirmed": "yes"})
    assert answer.status_code == 422
    return html.unescape(answer.content.decode())


def refused_by_the_worker(spec):
    """What a worker says to a job that came to be in the queue all the same."""
    job = make_job(spec=read(spec).spec(), dataset=None)
    claim(job, "here", [0])
    job.refresh_from_db()
    job.run_dir.mkdir(parents=True)
    Shim(job, [], LocalEngine()).run()
    job.refresh_from_db()
    assert job.state == State.REFUSED and not RunFolder(job.run_dir).run_file.exists()
    return job.error


def cured(spec, finding):
    changes = {path: value for path, value in finding["fix"]["changes"].items() if not path.startswith("_")}
    return make_client(make_user()).post(CHECK, {**spec, **changes}).json()


def test_lora_targets_of_another_architecture():
    text = make_dataset(row={"text": "Ahoy!"})
    wrong = {"lora.target_modules": ["q_proj", "v_proj", "k_proj", "dense"], "data.dataset": str(text.pk)}
    spec = make_spec(**GPT2, **wrong)
    finding = refusal(spec, "lora.target_modules")
    assert finding["fix"]["changes"] == {"lora.target_modules": ["c_attn", "c_proj"]}
    assert cured(spec, finding)["ok"] is True
    assert refused_by_the_worker(spec) == finding


def test_chat_on_a_model_without_a_chat_template():
    spec = make_spec(**{"model.name": "house/gpt2", "data.dataset": str(make_dataset().pk)})
    finding = refusal(spec, "data.strategy")
    assert "chat template" in finding["message"] and len(finding["fixes"]) >= 2
    assert refused_by_the_worker(spec) == finding


def test_messages_data_as_plain_text():
    spec = make_spec(**{"data.strategy": "standard", "data.dataset": str(make_dataset().pk)})
    finding = refusal(spec, "data.strategy")
    assert finding["message"].startswith("Dataset has 'messages' field but strategy is not 'chat'")
    assert cured(spec, finding)["ok"] is True
    assert refused_by_the_worker(spec) == finding


def test_a_missing_model_name():
    spec = make_spec(**{"model.name": None, "data.dataset": str(make_dataset().pk)})
    finding = refusal(spec, "model.name")
    assert finding["message"].startswith("model.name is required")
    assert refused_by_the_worker(spec) == finding


def test_minus_one_epochs():
    spec = make_spec(**{"training.num_epochs": -1, "data.dataset": str(make_dataset().pk)})
    finding = refusal(spec, "training.num_epochs")
    assert "-1" in finding["message"]
    assert cured(spec, finding)["ok"] is True
    assert refused_by_the_worker(spec) == finding


def test_a_model_that_is_not_at_hand_while_offline():
    spec = make_spec(**{"model.name": "Qwen/Qwen2.5-0.5B-Instruct", "data.dataset": str(make_dataset().pk)})
    finding = refusal(spec, "model.name")
    assert "offline" in finding["message"]
    assert refused_by_the_worker(spec) == finding


def test_a_model_that_is_not_at_hand_is_a_warning_when_it_can_be_fetched(monkeypatch):
    monkeypatch.setattr(settings, "ENVIRONMENT", settings.ENVIRONMENT.model_copy(update={"offline": False}))
    spec = make_spec(**{"model.name": "Qwen/Qwen2.5-0.5B-Instruct", "data.dataset": str(make_dataset().pk)})
    answer = make_client(make_user()).post(CHECK, spec).json()
    warning = next(each for each in answer["findings"] if each["field"] == "model.name")
    assert answer["ok"] is True and warning["severity"] == "warning"
    assert "MB" in warning["message"] or "GB" in warning["message"]
    assert warning["fix"]["action"]["name"] == "download-model"
