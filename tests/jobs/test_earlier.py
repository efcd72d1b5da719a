"""A job may begin with the weights of an ended one that its owner may see."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from jobs.earlier import earlier_facts
from jobs.models import Job, State
from jobs.review import review
from jobs.rulebook import read
from jobs.rulebook.vocabulary import FACTS, Source
from jobs.run_folder import RunFolder
from tests.make import make_dataset, make_job, make_model, make_spec, make_user

pytestmark = pytest.mark.django_db


def ended(owner: User, **changes: Any) -> Job:
    """A job that has left weights."""
    given = {"state": State.SUCCEEDED, "attempt": 1, "result": {"artifacts": [{"name": "adapter_model.safetensors"}]}}
    job = make_job(owner=owner, **{**given, **changes})
    RunFolder(job.run_dir).output.mkdir(parents=True)
    return job


def test_every_fact_about_it_is_told() -> None:
    owner = make_user()
    facts = earlier_facts(ended(owner).pk, owner)
    assert facts.keys() == {fact.name for fact in FACTS.values() if fact.source is Source.EARLIER}
    assert facts["start_found"] and facts["start_weights"]
    assert facts["start_lora"]["targets"] == sorted(facts["start_lora"]["targets"])


def test_a_stranger_finds_nothing() -> None:
    owner, stranger = make_user(), make_user("stranger")
    assert earlier_facts(ended(owner).pk, stranger) == {"start_found": False}
    assert earlier_facts(10**6, owner) == {"start_found": False}


def test_one_that_runs_or_whose_weights_were_deleted_has_none() -> None:
    owner = make_user()
    job = ended(owner)
    RunFolder(job.run_dir).output.rmdir()
    assert earlier_facts(job.pk, owner)["start_weights"] is False
    running = ended(owner, state=State.RUNNING)
    assert earlier_facts(running.pk, owner)["start_weights"] is False


def codes(owner: User, **changes: Any) -> set[str]:
    """What is found about a good job with these changes, as far as earlier jobs are concerned."""
    report = review(read(make_spec(**changes)), user=owner).report
    return {finding.code for finding in report if finding.code.startswith("earlier.")}


def test_a_job_of_the_same_shape_is_told_its_schedule_and_no_more() -> None:
    owner = make_user()
    make_model()
    dataset = str(make_dataset(owner).pk)
    job = ended(owner, spec=make_spec(**{"lora.r": 8}), facts={"lora_targets": ["v_proj", "q_proj"]})
    same = {"data.dataset": dataset, "training.start_from": job.pk, "lora.target_modules": ["q_proj", "v_proj"]}
    assert codes(owner, **same, **{"lora.r": 8}) == {"earlier.new-schedule"}
    assert codes(owner, **same) == {"earlier.other-shape", "earlier.new-schedule"}
    assert codes(make_user("stranger"), **same) == {"earlier.not-found"}
