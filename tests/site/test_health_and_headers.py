"""Health, headers, and the description of the API."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from tests.make import make_user

pytestmark = pytest.mark.django_db


def test_healthz_is_200_when_ready_and_needs_no_login(client: Client) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"ready": True})


def test_healthz_is_503_when_a_migration_is_missing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_: ["one"])
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["reason"] == "1 database migrations are not applied. Run: python manage.py migrate"


def test_healthz_is_503_when_the_database_is_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("could not connect as user secret")

    monkeypatch.setattr(MigrationExecutor, "__init__", away)
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json() == {"ready": False, "reason": "The database does not answer."}


def test_healthz_is_503_when_the_home_cannot_be_written(client: Client, settings: Any, tmp_path: Path) -> None:
    settings.HOME = tmp_path / "gone"
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["reason"] == "The portal cannot write to its home: No such file or directory."


@pytest.mark.parametrize("path", ["/login/", "/healthz", "/api/v1/nothing/", "/nothing/"])
def test_every_answer_forbids_inline_code_framing_and_devices(client: Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


def test_the_schema_is_complete_and_without_warnings() -> None:
    written = StringIO()
    call_command("spectacular", "--fail-on-warn", "--validate", stdout=written)
    for call in ("/api/v1/jobs/check/", "/api/v1/jobs/{id}/cancel/", "/api/v1/datasets/", "/api/v1/auth/token/"):
        assert f"{call}:" in written.getvalue()


@pytest.mark.parametrize("path", ["/api/schema/", "/api/docs/"])
def test_schema_and_its_page_are_served(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200


def test_the_page_of_the_api_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/docs/").content.decode()
    assert "//" not in page.replace("/static/", "")


def test_the_schema_describes_the_errors_of_every_call(client: Client) -> None:
    client.force_login(make_user())
    schema = client.get("/api/schema/", headers={"accept": "application/json"}).json()
    calls = [call for path in schema["paths"].values() for call in path.values()]
    assert len(calls) > 15
    for call in calls:
        error = call["responses"]["default"]["content"]["application/json"]["schema"]
        assert error == {"$ref": "#/components/schemas/Problem"}
    assert set(schema["components"]["schemas"]["Problem"]["properties"]) == {"message", "findings"}
