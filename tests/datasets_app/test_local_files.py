"""Staff register files of the server, which are read where they lie, and read anew when they change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from datasets_app.facts import dataset_facts
from datasets_app.local_files import notice_changes, register_file
from datasets_app.models import Dataset
from finetune_site.problems import Problem
from tests.make import make_client, make_user

pytestmark = pytest.mark.django_db
ROWS = b'{"text": "Ahoy"}\n' * 3


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = (tmp_path / "shared").resolve()
    root.mkdir()
    monkeypatch.setattr(settings, "LOCAL_ROOTS", [root])
    yield root
    for each in Path(settings.DATASETS_DIR).iterdir():
        if each.is_symlink():
            each.unlink()


@pytest.fixture
def file(folder: Path) -> Path:
    path = folder / "rows.jsonl"
    path.write_bytes(ROWS)
    return path


def refusal(path: Any) -> str:
    with pytest.raises(Problem) as refused:
        register_file(owner=make_user(is_staff=True), path=str(path))
    finding = refused.value.findings[0]
    assert finding.field == "path"
    assert not Dataset.objects.exists()
    return finding.code


def test_a_file_is_read_where_it_lies(file: Path) -> None:
    dataset = register_file(owner=make_user(is_staff=True), path=str(file))
    assert (dataset.name, dataset.status, dataset.rows, dataset.size_bytes) == ("rows", "ready", 3, len(ROWS))
    assert len(dataset.sha256) == 64
    assert dataset.path.is_symlink()
    assert list(dataset.good_rows()) == [{"text": "Ahoy"}] * 3


def test_a_changed_file_is_read_anew_before_a_job_hears_of_it(file: Path) -> None:
    owner = make_user(is_staff=True)
    dataset = register_file(owner=owner, path=str(file))
    file.write_bytes(ROWS + b'{"text": "Bye"}\n{\n')
    facts = dataset_facts(str(dataset.pk), owner)
    assert (facts["rows"], facts["bad_row_count"]) == (5, 1)
    again = Dataset.objects.get()
    assert again.sha256 not in ("", dataset.sha256)


def test_what_was_not_changed_is_not_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = make_user(is_staff=True)
    register_file(owner=owner, path=str(file))
    monkeypatch.setattr("datasets_app.local_files.begin_reading", None)
    notice_changes(owner=owner)
    assert Dataset.objects.get().status == "ready"


def test_a_file_that_is_gone_is_told_and_may_come_back(file: Path) -> None:
    owner = make_user(is_staff=True)
    register_file(owner=owner, path=str(file))
    file.unlink()
    notice_changes(owner=owner)
    gone = Dataset.objects.get()
    assert (gone.status, gone.error["code"]) == ("failed", "dataset.file-gone")
    file.write_bytes(ROWS)
    notice_changes(owner=owner)
    assert (Dataset.objects.get().status, Dataset.objects.get().error) == ("ready", None)


def test_deleting_the_dataset_leaves_the_file(file: Path, django_capture_on_commit_callbacks: Any) -> None:
    dataset = register_file(owner=make_user(is_staff=True), path=str(file))
    link = dataset.path
    with django_capture_on_commit_callbacks(execute=True):
        dataset.delete()
    assert file.read_bytes() == ROWS
    assert not link.is_symlink()


def test_only_files_under_the_allowed_folders_are_taken(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret.jsonl"
    outside.write_bytes(ROWS)
    (folder / "link.jsonl").symlink_to(outside)
    assert refusal(outside) == "dataset.path-outside"
    assert refusal(folder / "link.jsonl") == "dataset.path-outside"
    assert refusal(folder / ".." / "secret.jsonl") == "dataset.path-outside"
    assert refusal(folder / "missing.jsonl") == "dataset.path"
    assert refusal("rows.jsonl") == "dataset.path"
    assert refusal("/a\0b") == "dataset.path"
    assert refusal(folder) == "dataset.path-folder"


def test_files_of_the_portal_itself_are_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Path(settings.DATASETS_DIR).resolve()
    (own / "someones.data").write_bytes(ROWS)
    monkeypatch.setattr(settings, "LOCAL_ROOTS", [own.parent])
    assert refusal(own / "someones.data") == "dataset.path-outside"
    (own / "someones.data").unlink()


def test_a_file_without_rows_is_refused_with_the_reason(folder: Path) -> None:
    (folder / "book.pdf").write_bytes(b"%PDF-1.7")
    assert refusal(folder / "book.pdf") == "dataset.binary"


def test_staff_register_by_api_and_page_and_others_may_not(file: Path, client: Client) -> None:
    staff, person = make_user("staff", is_staff=True), make_user("person")
    sent = {"path": str(file), "name": "shared rows"}
    assert make_client(person).post("/api/v1/datasets/register/", sent, format="json").status_code == 403
    told = make_client(staff).post("/api/v1/datasets/register/", sent, format="json").json()
    assert (told["name"], told["rows"], told["local"]["path"]) == ("shared rows", 3, str(file))
    client.force_login(staff)
    assert "Register a file of this machine" in client.get("/datasets/").content.decode()
    assert client.post("/datasets/register", {"path": str(file)}).status_code == 302
    wrong = client.post("/datasets/register", {"path": "/nowhere"})
    assert (wrong.status_code, b"does not lie under a folder" in wrong.content) == (422, True)
    client.force_login(person)
    assert "Register a file" not in client.get("/datasets/").content.decode()
    assert client.post("/datasets/register", {"path": str(file)}).status_code == 403
