"""Models through the REST API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from models_catalog.models import BaseModel, Download
from tests.make import make_model, make_user, write_model_files

from .folders import make_hub_model

pytestmark = pytest.mark.django_db
FIELDS = {
    "id", "name", "family", "parameters", "size_bytes", "context_length", "supports_chat", "lora_targets",
    "lora_modules", "cache", "bytes_on_disk", "bytes_to_fetch", "source", "gated", "licence", "disagreements",
    "download",
}  # fmt: skip


@pytest.fixture
def client() -> APIClient:
    return asking(is_staff=False)


def asking(**changes: Any) -> APIClient:
    client = APIClient()
    client.force_authenticate(make_user("admin" if changes["is_staff"] else "owner", **changes))
    return client


def gpt2() -> BaseModel:
    return BaseModel.objects.get(name="openai-community/gpt2")


def test_all_models_are_listed_in_pages(client: APIClient) -> None:
    page = client.get("/api/v1/models/").json()
    assert page["count"] == BaseModel.objects.count()
    assert len(page["results"]) == 25
    assert page["next"]
    assert set(page["results"][0]) == FIELDS


def test_a_list_asks_the_database_little(
    client: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(3):
        client.get("/api/v1/models/")


def test_models_are_searched(client: APIClient) -> None:
    names = [model["name"] for model in client.get("/api/v1/models/?search=gpt2-xl").json()["results"]]
    assert names == ["openai-community/gpt2-xl"]


def test_one_model_is_shown(client: APIClient) -> None:
    shown = client.get(f"/api/v1/models/{gpt2().pk}/").json()
    assert shown["name"] == "openai-community/gpt2"
    assert shown["family"] == "GPT-2"
    assert shown["lora_targets"] == ["c_attn", "c_proj"]
    assert (shown["cache"], shown["supports_chat"], shown["download"]) == ("absent", False, None)


def test_a_local_model_is_shown_without_its_path(client: APIClient) -> None:
    model = make_model()
    answer = client.get(f"/api/v1/models/{model.pk}/")
    assert answer.json()["cache"] == "local"
    assert model.path not in answer.content.decode()


@pytest.mark.parametrize("number", [0, 999_999, 2**63])
def test_a_model_that_is_none_is_not_found(client: APIClient, number: int) -> None:
    assert client.get(f"/api/v1/models/{number}/").status_code == 404


def test_nobody_sees_models_without_an_account() -> None:
    assert APIClient().get("/api/v1/models/").status_code == 401


def test_a_download_is_accepted_and_shown(client: APIClient, online: None) -> None:
    model = make_hub_model()
    answer = client.post(f"/api/v1/models/{model.pk}/download/")
    assert answer.status_code == 202
    assert answer.json()["download"]["state"] == "queued"
    Download.objects.update(state="running", bytes_done=2_500_000)
    assert client.get(f"/api/v1/models/{model.pk}/").json()["download"]["percent"] == 50


def test_a_download_that_cannot_work_says_why(client: APIClient) -> None:
    answer = client.post(f"/api/v1/models/{gpt2().pk}/download/")
    assert answer.status_code == 400
    assert answer.json()["findings"][0]["code"] == "catalogue.offline"


def test_a_revision_has_a_download_of_its_own(client: APIClient, online: None) -> None:
    model = make_hub_model()
    for asked in ({}, {"revision": "v2"}, {"revision": ""}, {"revision": "v2"}):
        assert client.post(f"/api/v1/models/{model.pk}/download/", asked, format="json").status_code == 202
    listed = client.get("/api/v1/downloads/").json()["results"]
    assert sorted((each["model"], each["revision"], each["state"]) for each in listed) == [
        (model.name, "", "queued"),
        (model.name, "v2", "queued"),
    ]


def test_downloads_are_narrowed_and_looked_at(client: APIClient, online: None) -> None:
    first, second = make_hub_model(), make_hub_model("acme/other")
    running = Download.objects.create(
        model=first, state="running", bytes_done=10**6, bytes_total=4 * 10**6, bytes_per_second=10**5
    )
    Download.objects.create(model=second, state="done")
    [listed] = client.get("/api/v1/downloads/?state=running").json()["results"]
    assert listed == client.get(f"/api/v1/downloads/{running.pk}/").json()
    assert (listed["percent"], listed["eta_seconds"], listed["bytes_per_second"]) == (25, 30, 100_000)
    assert listed["text"] == "1 MB of 4 MB, 100 kB a second, about 30 seconds left"


def test_a_list_of_downloads_asks_the_database_little(
    client: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(5):
        Download.objects.create(model=make_hub_model(f"acme/{number}"), state="done")
    with django_assert_max_num_queries(3):
        client.get("/api/v1/downloads/")


@pytest.mark.parametrize("query", ["", "?drop=true"])
def test_a_download_is_cancelled_by_its_model(client: APIClient, online: None, query: str) -> None:
    model = make_hub_model()
    client.post(f"/api/v1/models/{model.pk}/download/")
    answer = client.delete(f"/api/v1/models/{model.pk}/download/{query}")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    assert Download.objects.get().drop_partial == bool(query)
    again = client.delete(f"/api/v1/models/{model.pk}/download/")
    assert (again.status_code, again.json()["findings"][0]["code"]) == (409, "catalogue.not-under-way")


def test_a_download_is_cancelled_by_its_number_and_only_by_whom_it_concerns(client: APIClient, online: None) -> None:
    client.post(f"/api/v1/models/{make_hub_model().pk}/download/")
    address = f"/api/v1/downloads/{Download.objects.get().pk}/"
    stranger = APIClient()
    stranger.force_authenticate(make_user("stranger"))
    refused = stranger.delete(address)
    assert (refused.status_code, refused.json()["findings"][0]["code"]) == (403, "catalogue.not-yours")
    assert client.delete(address).json()["state"] == "cancelled"
    assert client.delete("/api/v1/downloads/999999/").status_code == 404


def test_staff_register_a_folder(local_root: Path) -> None:
    write_model_files(local_root / "ours")
    asked = {"name": "house/ours", "source": "local", "path": str(local_root / "ours"), "family": ""}
    answer = asking(is_staff=True).post("/api/v1/models/", asked, format="json")
    assert answer.status_code == 201
    assert (answer.json()["cache"], answer.json()["family"]) == ("local", "Llama")


def test_staff_add_a_model_of_the_hub() -> None:
    asked = {"name": "acme/gpt2-tuned", "source": "hub"}
    answer = asking(is_staff=True).post("/api/v1/models/", asked, format="json")
    assert (answer.status_code, answer.json()["family"]) == (201, "GPT-2")


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({}, ["source", "name"]),
        ({"name": "house/x", "source": "ftp"}, ["source"]),
        ({"name": "house/x", "source": "local"}, ["path"]),
        ({"name": "house/x", "source": "local", "path": "/etc"}, ["path"]),
        ({"name": "house/x", "source": "local", "path": "/a\0b"}, ["path"]),
        ({"name": ["a"], "source": "hub"}, ["name"]),
        ({"name": "house/x", "source": "hub", "family": "Lama"}, ["family"]),
        ({"name": "openai-community/gpt2", "source": "hub"}, ["name"]),
    ],
)
def test_what_is_wrong_is_said_by_field(asked: dict[str, Any], fields: list[str]) -> None:
    answer = asking(is_staff=True).post("/api/v1/models/", asked, format="json")
    assert answer.status_code == 400
    assert [finding["field"] for finding in answer.json()["findings"]] == fields


def test_other_people_add_no_models(client: APIClient) -> None:
    answer = client.post("/api/v1/models/", {"name": "acme/x", "source": "hub"}, format="json")
    assert answer.status_code == 403
    assert answer.json()["findings"]
    assert not BaseModel.objects.filter(name="acme/x").exists()


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_models_are_not_changed_through_the_api(method: str) -> None:
    answer = getattr(asking(is_staff=True), method)(f"/api/v1/models/{gpt2().pk}/", {}, format="json")
    assert answer.status_code == 405
