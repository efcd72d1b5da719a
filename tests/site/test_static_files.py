"""What browsers load comes from this portal alone, byte for byte what its makers published."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

PUBLISHED = {
    "vendor/bootstrap.min.css": "d85327d99c7a3ee1f9b5d0500d1370acea3ad2db39c163c2f51f232baedbdede",
    "django_htmx/htmx-2.min.js": "71ea67185bfa8c98c39d31717c6fce5d852370fcdfd129db4543774d3145c0de",
}


@pytest.mark.parametrize("path", PUBLISHED)
def test_vendored_files_are_the_published_ones(path: str) -> None:
    found = finders.find(path)
    assert found
    assert sha256(Path(found).read_bytes()).hexdigest() == PUBLISHED[path]


@pytest.mark.parametrize(
    "path", [*PUBLISHED, "foretune/app.css", "drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css"]
)
def test_files_are_served_without_collecting_them_first(client: Client, path: str) -> None:
    response = client.get(f"/static/{path}")
    assert response.status_code == 200
    assert b"".join(response) == Path(str(finders.find(path))).read_bytes()


@pytest.mark.parametrize("path", ["vendor/bootstrap.css", "vendor/../secret_key", "..%2f..%2fmanage.py", "nothing.css"])
@pytest.mark.django_db
def test_nothing_else_is_served(client: Client, path: str) -> None:
    assert client.get(f"/static/{path}").status_code in (404, 302)
