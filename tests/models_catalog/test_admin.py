"""The catalogue in the admin: what may be written, and what may not be taken away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.test import Client

from models_catalog.admin import FamilyResource, ModelResource
from models_catalog.models import BaseModel, ModelFamily
from tests.make import make_family, make_user, write_model_files

pytestmark = pytest.mark.django_db
FAMILIES, MODELS = "/admin/models_catalog/modelfamily/", "/admin/models_catalog/basemodel/"


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_user("admin", is_staff=True, is_superuser=True))
    return client


def family_form(**changes: Any) -> dict[str, Any]:
    lists = {"model_types": ["new"], "name_patterns": ["new-"], "lora_targets": ["q_proj"]}
    form = {"name": "New", **lists, "lora_modules": [], "expert_modules": [], "untrainable": "", "notes": "", **changes}
    return {key: json.dumps(value) if isinstance(value, list) else value for key, value in form.items()}


def model_form(**changes: Any) -> dict[str, Any]:
    return {"name": "acme/new", "source": "hub", "path": "", "family": make_family().pk, "licence": "", **changes}


def wrong_fields(client: Client, address: str, form: dict[str, Any]) -> list[str]:
    answer = client.post(f"{address}add/", form)
    assert answer.status_code == 200
    return list(answer.context["adminform"].form.errors)


@pytest.mark.parametrize("address", [FAMILIES, MODELS, "/admin/models_catalog/download/"])
@pytest.mark.parametrize("asked", ["", "?q=gpt"])
def test_lists_open_and_search(client: Client, address: str, asked: str) -> None:
    assert client.get(address + asked).status_code == 200


def test_models_show_whether_their_files_are_here(client: Client) -> None:
    assert "⬇ 548.1 MB to download" in client.get(f"{MODELS}?q=openai-community/gpt2").content.decode()


def test_a_family_is_added(client: Client) -> None:
    assert client.post(f"{FAMILIES}add/", family_form()).status_code == 302
    assert make_family("New").lora_targets == ["q_proj"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lora_targets", "not json"),
        ("lora_targets", '"q_proj"'),
        ("lora_targets", "{}"),
        ("lora_targets", [1]),
        ("lora_targets", ["q_proj", "q_proj"]),
        ("lora_modules", ["self_attn.q_proj"]),
        ("expert_modules", ["q proj"]),
        ("model_types", [""]),
        ("name_patterns", ["("]),
        ("name", "Llama"),
    ],
)
def test_a_wrong_family_is_refused_on_its_field(client: Client, field: str, value: Any) -> None:
    assert wrong_fields(client, FAMILIES, family_form(**{field: value})) == [field]


def test_a_model_is_added(client: Client) -> None:
    assert client.post(f"{MODELS}add/", model_form()).status_code == 302


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("name", {"name": "../../etc"}),
        ("name", {"name": "openai-community/gpt2"}),
        ("path", {"source": "local"}),
        ("path", {"source": "local", "path": "/etc"}),
        ("path", {"path": "/etc"}),
    ],
)
def test_a_wrong_model_is_refused_on_its_field(client: Client, field: str, changes: dict[str, Any]) -> None:
    assert wrong_fields(client, MODELS, model_form(**changes)) == [field]


def test_a_folder_under_a_root_is_added(client: Client, local_root: Path) -> None:
    write_model_files(local_root / "ours")
    form = model_form(source="local", path=str(local_root / "ours"))
    assert client.post(f"{MODELS}add/", form).status_code == 302


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": 0},
        {"size_bytes": -1},
        {"context_length": 0},
        {"name": ""},
        {"source": "local", "path": ""},
        {"source": "hub", "path": "/somewhere"},
        {"source": "ftp"},
    ],
)
def test_the_database_refuses_insane_rows(changes: dict[str, Any]) -> None:
    row = {"name": "acme/x", "family": make_family(), **changes}
    with pytest.raises(IntegrityError), transaction.atomic():
        BaseModel.objects.create(**row)


def test_the_unknown_family_stays(client: Client) -> None:
    unknown = make_family("Unknown")
    for delete in (unknown.delete, ModelFamily.objects.filter(pk=unknown.pk).delete):
        with pytest.raises(ProtectedError), transaction.atomic():
            delete()
    answer = client.post(f"{FAMILIES}{unknown.pk}/delete/", {"post": "yes"})
    assert "would require deleting" in answer.content.decode()
    assert ModelFamily.objects.filter(name="Unknown").exists()


def test_a_family_with_models_stays() -> None:
    with pytest.raises(ProtectedError):
        make_family("Llama").delete()


def test_a_family_without_models_goes() -> None:
    make_family("RWKV").delete()
    assert not ModelFamily.objects.filter(name="RWKV").exists()


@pytest.mark.parametrize("resource", [FamilyResource, ModelResource])
def test_an_export_is_imported_without_a_change(resource: type) -> None:
    result = resource().import_data(resource().export(), raise_errors=True)
    assert set(result.totals) >= {"skip"}
    assert result.totals["skip"] == len(result.rows) >= 40


@pytest.mark.parametrize(
    ("column", "value"), [("name_patterns", '["("]'), ("lora_targets", '"q_proj"'), ("lora_targets", "[1]")]
)
def test_an_import_is_judged_like_the_form(client: Client, column: str, value: str) -> None:
    rows = FamilyResource().export(ModelFamily.objects.filter(name="Llama"))
    row = dict(zip(rows.headers, rows[0], strict=True)) | {column: value}
    file = SimpleUploadedFile("families.json", json.dumps([row]).encode(), "application/json")
    answer = client.post(f"{FAMILIES}import/", {"import_file": file, "format": "3", "resource": ""})
    assert answer.status_code == 200
    assert "confirm" not in answer.context or answer.context["result"].has_validation_errors()
    assert make_family("Llama").lora_targets == [
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    ]
