"""The same job gets the same findings with the same words, wherever it is checked."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command

from jobs.forms import JobForm, Stage
from jobs.models import Job
from jobs.review import review, review_job
from jobs.rulebook import SETTINGS, read
from tests.make import make_client, make_dataset, make_job, make_model, make_spec, make_user

pytestmark = pytest.mark.django_db
LLAMA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]
JOBS = {
    "in order": {},
    "nothing chosen": {"model.name": None, "data.dataset": None, "data.strategy": None, "training.method": None},
    "no model": {"model.name": None},
    "unlisted model": {"model.name": "house/tiny-chatt"},
    "model named in short": {"model.name": "tiny-chat", "training.num_epochs": 50},
    "model that is not at hand": {"model.name": "Qwen/Qwen2.5-0.5B-Instruct"},
    "targets of another architecture": {"model.name": "house/gpt2", "lora.target_modules": LLAMA_TARGETS},
    "targets that match in part": {"lora.target_modules": ["q_proj", "c_attn"]},
    "output head as target": {"lora.target_modules": ["lm_head"]},
    "chat without a template": {"model.name": "house/gpt2"},
    "messages as text": {"data.strategy": "standard"},
    "text as chat": {"data.dataset": "text"},
    "dpo on messages": {"training.method": "dpo"},
    "sft on preferences": {"data.dataset": "preference", "data.strategy": "standard"},
    "unknown format": {"data.dataset": "unknown"},
    "few rows": {"data.dataset": "few"},
    "no usable rows": {"data.dataset": "none"},
    "bad rows": {"data.dataset": "bad"},
    "bad rows left out": {"data.dataset": "bad", "data.bad_rows": "drop"},
    "dataset that is still read": {"data.dataset": "reading"},
    "somebody else's dataset": {"data.dataset": "stranger"},
    "no such dataset": {"data.dataset": "4711"},
    "negative epochs": {"training.num_epochs": -1},
    "no epochs": {"training.num_epochs": 0},
    "many epochs": {"training.num_epochs": 50},
    "huge batch": {"training.batch_size": 10**9},
    "a fraction of a row": {"training.batch_size": 1.5},
    "low learning rate": {"training.learning_rate": 1e-9},
    "high learning rate for dpo": {"training.method": "dpo", "training.learning_rate": 2e-4},
    "small rank": {"lora.r": 2},
    "alpha zero": {"lora.alpha": 0},
    "all dropped out": {"lora.dropout": 1},
    "longer than the model reads": {"data.max_length": 4096},
    "all weights": {"lora.enabled": False},
    "4-bit without the means": {"quantization": "4bit"},
    "several at once": {"training.num_epochs": -1, "lora.alpha": 0, "data.strategy": "standard", "lora.r": 2},
    "words for numbers": {"training.num_epochs": "three", "training.seed": "1e9999"},
    "words for choices": {"training.method": "ppo", "data.strategy": "talk"},
}
UNSTORED = {"words for numbers", "words for choices", "a fraction of a row"}
"""What cannot be read is never stored, so no worker meets it."""


@pytest.fixture
def datasets():
    make_model()
    make_model("house/gpt2", family="GPT-2", chat=False)
    text, pair = {"text": "Ahoy!"}, {"prompt": "Hello?", "chosen": "Ahoy!", "rejected": "Hm."}
    bad = {"problems": [{"line": 3, "code": "broken-json", "message": "…"}], "stats": {"bad_rows_by_code": {}}}
    return {
        "good": make_dataset(),
        "text": make_dataset(name="text", row=text),
        "preference": make_dataset(name="preference", row=pair),
        "unknown": make_dataset(name="unknown", row={"a": 1}, format="unknown", conversational=False),
        "few": make_dataset(name="few", rows=5),
        "none": make_dataset(name="none", rows=5, bad_rows=5),
        "bad": make_dataset(name="bad", bad_rows=3, **bad),
        "reading": make_dataset(name="reading", status="reading"),
        "stranger": make_dataset(make_user("stranger"), name="theirs"),
    }


def specification(changes, datasets):
    values = {"data.dataset": "good", **changes}
    if values["data.dataset"] in datasets:
        values["data.dataset"] = str(datasets[values["data.dataset"]].pk)
    return make_spec(**values)


def said(findings):
    return [(each["code"], each["severity"], each["field"], each["message"], each["fix"]) for each in findings]


def by_form(spec):
    """The same choices as a browser sends them: dotted names, everything text."""
    typed = {path: as_typed(value) for path, value in read(spec).values.items()}
    typed |= {path: value for path, value, _ in read(spec).unreadable}
    report = JobForm(typed, user=make_user(), stage=Stage.ASKED).review.report
    return said(report.as_dict()["findings"])


def as_typed(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def by_command(spec, tmp_path, capsys):
    file = tmp_path / "job.json"
    file.write_text(json.dumps(spec))
    try:
        call_command("check_job", str(file), "--user", "owner")
    except SystemExit as end:
        assert end.code == 1
    return said(json.loads(capsys.readouterr().out)["findings"])


def by_worker(spec):
    """As the worker asks: about a stored job, whose specification has everything filled in."""
    asked = review(read(spec), user=make_user())
    job = make_job(spec=asked.choices.spec(), facts=asked.plain_facts())
    return said(review_job(Job.objects.get(pk=job.pk)).report.as_dict()["findings"])


@pytest.mark.parametrize("name", JOBS)
def test_every_surface_says_the_same(name, datasets, tmp_path, capsys):
    spec = specification(JOBS[name], datasets)
    client = make_client(make_user())
    checked = client.post("/api/v1/jobs/check/", spec).json()
    findings = said(checked["findings"])
    assert by_command(spec, tmp_path, capsys) == findings
    assert by_form(spec) == findings
    if name not in UNSTORED:
        assert by_worker(spec) == findings
    Job.objects.all().delete()
    created = client.post("/api/v1/jobs/", spec)
    assert (created.status_code == 201) == checked["ok"]
    assert said(created.json()["findings"]) == findings


def test_the_jobs_above_are_worth_comparing(datasets):
    codes = set()
    for changes in JOBS.values():
        codes |= {each.code for each in review(read(specification(changes, datasets)), user=make_user()).report}
    assert len(codes) >= 25, sorted(codes)


def test_a_form_that_was_filled_in_completely_says_the_same(datasets):
    """A browser sends every field, also those that were not touched."""
    spec = specification({"training.num_epochs": 50}, datasets)
    effective = read(spec).effective
    typed = {path: "" if effective.get(path) is None else as_typed(effective[path]) for path in SETTINGS}
    report = JobForm(typed, user=make_user(), stage=Stage.ASKED).review.report
    assert said(report.as_dict()["findings"]) == by_form(spec)
