"""Every file of the zoo, through the reader, the API and the pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.html import escape

from datasets_app.models import Dataset
from datasets_app.reading import REASONS, Unreadable, container_of, read_file, rows_of
from tests.make import make_client, make_user

from .zoo import Specimen, zoo

ZOO = list(zoo())
each = pytest.mark.parametrize("specimen", ZOO, ids=lambda specimen: specimen.name.replace(" ", "-"))


@pytest.fixture(autouse=True)
def small_bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets_app.reading.compression.JUDGED_FROM", 10_000_000)
    monkeypatch.setattr("datasets_app.services.READ_AT_ONCE", 1 << 40)


def test_the_zoo_is_large() -> None:
    assert len({specimen.name for specimen in ZOO}) == len(ZOO) >= 60


@each
def test_the_reader_says_what_is_wrong_and_where(specimen: Specimen, tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(specimen.content)
    if specimen.refused and specimen.refused not in ("empty", "no-rows"):
        with pytest.raises(Unreadable) as refusal:
            list(rows_of(path))
        assert refusal.value.code == specimen.refused
        return
    container, reading = container_of(path), read_file(path)
    if specimen.rows:
        expected = (specimen.kind, specimen.encoding, specimen.compression)
        assert (container.kind, container.encoding, container.compression) == expected
    assert (reading.rows, reading.bad_rows) == (specimen.rows, len(specimen.bad))
    assert [(problem.line, problem.code) for problem in reading.problems.listed] == list(specimen.bad)
    assert {code for _, code in specimen.bad} <= set(REASONS)


@pytest.mark.slow
@pytest.mark.django_db
@each
def test_api_and_page_say_the_same(specimen: Specimen, client: Client) -> None:
    person = make_user()
    client.force_login(person)
    sent = {"file": SimpleUploadedFile("rows.bin", specimen.content)}
    answer = make_client(person).post("/api/v1/datasets/", sent, format="multipart")
    told = answer.json()
    if specimen.refused and not specimen.late:
        assert (answer.status_code, set(codes(told))) == (400, {f"upload.{specimen.refused}"})
        page = client.post("/datasets/upload", {"file": SimpleUploadedFile("rows.bin", specimen.content)})
        assert page.status_code == 422
        assert not Dataset.objects.exists()
        return
    page = client.get(f"/datasets/{told['id']}/")
    assert page.status_code == 200
    if specimen.late:
        assert (told["status"], told["error"]["code"]) == ("failed", f"dataset.{specimen.refused}")
        assert escape(told["error"]["message"]) in page.content.decode()
        return
    assert (told["status"], told["rows"], told["bad_rows"]) == ("ready", specimen.rows, len(specimen.bad))
    assert told["container"]["kind"] == specimen.kind
    assert all(escape(note) in page.content.decode() for note in told["container"]["notes"])


def codes(told: Any) -> Iterator[str]:
    """Every code in an answer of the API, however deep."""
    if isinstance(told, dict):
        yield from [told["code"]] if isinstance(told.get("code"), str) else []
        told = list(told.values())
    for part in told if isinstance(told, list) else []:
        yield from codes(part)
