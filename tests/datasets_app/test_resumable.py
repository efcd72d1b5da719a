"""Uploads in pieces: they go on after a break, keep to their size, keep room for each other, and end as datasets."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from datasets_app import resumable
from datasets_app.models import Dataset, Upload
from datasets_app.resumable import forget_abandoned
from datasets_app.uploads import DISK_RESERVE
from tests.make import make_client, make_user

pytestmark = pytest.mark.django_db

URL = "/api/v1/uploads/"
ROWS = b'{"text": "one"}\n{"text": "two"}\n'


def begin(client: Any = None, **changes: Any) -> Any:
    asked = {"size": len(ROWS), "file_name": "rows.jsonl", **changes}
    return (client or make_client(make_user())).post(URL, asked, format="json")


def put(pk: str, offset: Any, piece: bytes, client: Any = None) -> Any:
    client = client or make_client(make_user())
    return client.generic("PUT", f"{URL}{pk}/?offset={offset}", piece, content_type="application/octet-stream")


def complete(pk: str) -> Any:
    return make_client(make_user()).post(f"{URL}{pk}/complete/")


def codes(response: Any) -> list[tuple[str | None, str]]:
    return [(finding["field"], finding["code"]) for finding in response.json()["findings"]]


def parts() -> set[str]:
    return {path.name for path in settings.DATASETS_DIR.glob("*.part")}


def test_a_file_arrives_in_pieces_and_becomes_a_dataset() -> None:
    before = parts()
    pk = begin(name="numbers", sha256=hashlib.sha256(ROWS).hexdigest().upper()).json()["id"]
    assert put(pk, 0, ROWS[:10]).json()["received"] == 10
    assert make_client(make_user()).get(f"{URL}{pk}/").json()["received"] == 10
    assert put(pk, 10, ROWS[10:]).json()["received"] == len(ROWS)
    response = complete(pk)
    assert response.status_code == 201
    assert (response.json()["name"], response.json()["rows"]) == ("numbers", 2)
    dataset = Dataset.objects.get()
    assert dataset.path.read_bytes() == ROWS
    assert dataset.sha256 == hashlib.sha256(ROWS).hexdigest()
    assert not Upload.objects.exists()
    assert parts() == before


def test_a_piece_that_is_sent_again_or_too_early_says_where_to_go_on() -> None:
    pk = begin().json()["id"]
    put(pk, 0, ROWS[:10])
    for offset in (0, 11, "x", ""):
        response = put(pk, offset, ROWS[10:])
        assert (response.status_code, codes(response)) == (409, [("offset", "upload.offset")])
    assert put(pk, 10, ROWS[10:]).status_code == 200


def test_a_piece_that_broke_off_counts_as_far_as_it_came() -> None:
    pk = begin().json()["id"]
    upload = Upload.objects.get(pk=pk)
    torn = SimpleNamespace(read=lambda size: pieces.pop() if pieces else b"")
    pieces = [ROWS[:7]]
    assert resumable.take_piece(upload=upload, offset=0, stream=torn, length=20).received_bytes == 7
    put(pk, 7, ROWS[7:])
    assert complete(pk).json()["rows"] == 2


@pytest.mark.parametrize(("piece", "status"), [(b"", 400), (ROWS + b"x", 400)])
def test_a_piece_keeps_to_the_size_of_its_file(piece: bytes, status: int) -> None:
    response = put(begin().json()["id"], 0, piece)
    assert (response.status_code, codes(response)) == (status, [("file", "upload.piece")])


def test_a_piece_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "PIECE", 5)
    assert put(begin().json()["id"], 0, ROWS[:6]).status_code == 413


def test_a_file_is_not_finished_before_it_is_whole() -> None:
    pk = begin().json()["id"]
    put(pk, 0, ROWS[:10])
    assert codes(complete(pk)) == [("file", "upload.unfinished")]
    put(pk, 10, ROWS[10:])
    assert complete(pk).status_code == 201


@pytest.mark.parametrize(
    ("content", "sha256", "code"),
    [
        (ROWS, "0" * 64, ("sha256", "upload.sha256")),
        (b"%PDF" + ROWS[4:], "", ("file", "upload.binary")),
        (b" " * len(ROWS), "", ("file", "upload.empty")),
    ],
)
def test_a_file_that_cannot_be_used_is_removed(content: bytes, sha256: str, code: tuple[str, str]) -> None:
    before = parts()
    pk = begin(sha256=sha256).json()["id"]
    put(pk, 0, content)
    assert codes(complete(pk)) == [code]
    assert (parts(), Upload.objects.count(), Dataset.objects.count()) == (before, 0, 0)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"size": 0}, "size"),
        ({"size": -5}, "size"),
        ({"size": "many"}, "size"),
        ({"size": 10**15}, "file"),
        ({"sha256": "abc"}, "sha256"),
        ({"name": "a" * 121}, "name"),
    ],
)
def test_what_makes_no_sense_does_not_begin(changes: dict[str, Any], field: str) -> None:
    response = begin(**changes)
    assert response.status_code in (400, 413)
    assert response.json()["findings"][0]["field"] == field
    assert not Upload.objects.exists()


def test_room_that_was_promised_is_not_promised_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    free = SimpleNamespace(free=DISK_RESERVE + 1500)
    monkeypatch.setattr("datasets_app.uploads.shutil.disk_usage", lambda folder: free)
    assert begin(size=1000).status_code == 201
    response = begin(size=1000)
    assert (response.status_code, codes(response)) == (507, [("file", "upload.disk-full")])
    assert begin(size=400).status_code == 201


def test_one_person_has_few_uploads_under_way() -> None:
    assert {begin().status_code for _ in range(resumable.MOST_AT_ONCE)} == {201}
    assert codes(begin()) == [("file", "upload.too-many")]
    assert begin(make_client(make_user("colleague"))).status_code == 201


def test_an_upload_is_cancelled() -> None:
    before = parts()
    pk = begin().json()["id"]
    assert make_client(make_user()).delete(f"{URL}{pk}/").status_code == 204
    assert (parts(), Upload.objects.count()) == (before, 0)


def test_what_nobody_goes_on_with_is_forgotten_after_a_day() -> None:
    old, young = (Upload.objects.get(pk=begin().json()["id"]) for _ in range(2))
    paths = old.path, young.path
    Upload.objects.filter(pk=old.pk).update(touched_at=timezone.now() - timedelta(hours=25))
    forget_abandoned()
    assert list(Upload.objects.all()) == [young]
    assert [path.exists() for path in paths] == [False, True]


def test_a_stranger_finds_no_upload_of_others() -> None:
    pk = begin().json()["id"]
    stranger = make_client(make_user("stranger", is_staff=True))
    assert stranger.get(URL).json()["count"] == 0
    assert stranger.get(f"{URL}{pk}/").status_code == 404
    assert put(pk, 0, ROWS, stranger).status_code == 404
    assert stranger.post(f"{URL}{pk}/complete/").status_code == 404
    assert stranger.delete(f"{URL}{pk}/").status_code == 404
    assert make_client().get(URL).status_code == 401
