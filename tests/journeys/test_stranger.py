"""Nobody sees what is another person's: every address that names a thing is called by a stranger, and counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from datasets_app.models import Dataset
from jobs.models import Job, Trial
from jobs.run_folder import RunFolder
from tests.make import make_dataset, make_job, make_user

pytestmark = pytest.mark.django_db

OWNED = ("jobs/", "datasets/", "api/v1/jobs/", "api/v1/datasets/")
"""Where the address of an owned thing begins; models are everybody's, the admin site has its own permissions."""
METHODS = ("get", "post", "put", "patch", "delete", "head")
"""OPTIONS describes the address itself, for any number alike."""
LEAKS = ("support chats", "made", "secret-artifact")


def addresses(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    """Every address of the portal, as it is written in the urls modules."""
    for pattern in patterns:
        here = before + str(pattern.pattern).lstrip("^")
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, here)
        else:
            yield here.rstrip("$").replace(r"\Z", "")


def of_owned_things() -> list[str]:
    found = addresses(get_resolver().url_patterns)
    return sorted(
        address for address in found if address.startswith(OWNED) and "<" in address and "format" not in address
    )


def filled(address: str, job: Job, dataset: Dataset) -> str:
    pk = str(job.pk if "jobs/" in address else dataset.pk)
    for hole, value in (
        ("<int:pk>", pk),
        ("<pk>", pk),
        ("<int:trial>", pk),
        ("<int:mapping>", pk),
        ("<path:name>", "secret-artifact"),
        ("<str:name>", "secret-artifact"),
    ):
        address = address.replace(hole, value)
    assert "<" not in address, f"The sweep does not know how to fill {address}."
    return f"/{address}"


@pytest.fixture
def job() -> Job:
    artifact = {"name": "secret-artifact", "size": 3, "sha256": "0" * 64}
    job = make_job(make_user("owner"), state="succeeded", result={"artifacts": [artifact]})
    Trial.objects.create(pk=job.pk, owner=job.owner, choices={}, answer=None)
    output = RunFolder(job.run_dir).output
    output.mkdir(parents=True, exist_ok=True)
    (output / "secret-artifact").write_text("abc")
    return job


@pytest.fixture
def dataset() -> Dataset:
    dataset = make_dataset(make_user("owner"))
    dataset.report_path.write_text("{}\n")
    return dataset


def logged_in(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def test_the_sweep_finds_every_kind_of_address() -> None:
    found = of_owned_things()
    assert len(found) >= 20
    for prefix in OWNED:
        assert [address for address in found if address.startswith(prefix)], prefix


@pytest.mark.parametrize("address", of_owned_things())
def test_a_stranger_finds_nothing(address: str, job: Job, dataset: Dataset) -> None:
    client, where = logged_in(make_user("stranger")), filled(address, job, dataset)
    answers = {method: getattr(client, method)(where) for method in METHODS}
    assert {answer.status_code for answer in answers.values()} <= {404, 405}, answers
    assert 404 in {answer.status_code for answer in answers.values()}
    assert not any(leak in answer.content.decode() for leak in LEAKS for answer in answers.values())


@pytest.mark.parametrize("address", of_owned_things())
def test_every_address_answers_its_owner_by_some_method(address: str, job: Job, dataset: Dataset) -> None:
    """Otherwise a misspelt address would count as well guarded."""
    client, where = logged_in(make_user("owner")), filled(address, job, dataset)
    codes = {method: getattr(client, method)(where).status_code for method in ("get", "post")}
    assert any(code < 400 or code in (400, 409, 415, 422) for code in codes.values()), f"{where}: {codes}"


@pytest.mark.parametrize("address", of_owned_things())
def test_without_a_login_nothing_is_answered(address: str, job: Job, dataset: Dataset) -> None:
    answer = Client().get(filled(address, job, dataset))
    assert answer.status_code in (302, 401, 403, 405)
    assert not any(leak in answer.content.decode() for leak in LEAKS)


@pytest.mark.parametrize("where", ["/jobs/", "/datasets/", "/api/v1/jobs/", "/api/v1/datasets/", "/", "/jobs/new"])
def test_lists_show_a_stranger_nothing(where: str, job: Job, dataset: Dataset) -> None:
    Job.objects.filter(pk=job.pk).update(name="the owner's bot")
    answer = logged_in(make_user("stranger")).get(where)
    assert answer.status_code == 200
    assert "the owner&#x27;s bot" not in answer.content.decode()
    assert "the owner's bot" not in answer.content.decode()
    assert "support chats" not in answer.content.decode()


def test_a_stranger_cannot_train_on_somebody_elses_data(dataset: Dataset) -> None:
    spec = {"data": {"dataset": str(dataset.pk)}}
    answer = logged_in(make_user("stranger")).post("/api/v1/jobs/check/", spec, content_type="application/json")
    findings = {finding["code"]: finding for finding in answer.json()["findings"]}
    assert findings["dataset.not-found"]["field"] == "data.dataset"
    assert "support chats" not in answer.content.decode()
