"""The datasets of the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets_app.models import Dataset
from tests.make import make_client, make_dataset, make_job, make_user

pytestmark = pytest.mark.django_db

URL = "/api/v1/datasets/"
ROWS = b'{"text": "one"}\n{"text": 5}\n{"text": "two", "id": 2}\n'


def send(content: bytes = ROWS, **fields: Any) -> Any:
    sent = {"file": SimpleUploadedFile("rows.jsonl", content), **fields}
    return make_client(make_user()).post(URL, sent, format="multipart")


def test_an_upload_answers_with_the_dataset() -> None:
    response = send(name="numbers")
    assert response.status_code == 201
    told = response.json()
    assert told["id"] == Dataset.objects.get().pk
    expected = {
        "name": "numbers", "status": "ready", "format": "text", "conversational": False, "rows": 3, "bad_rows": 1,
        "problem_count": 1, "columns": ["text", "id"], "size_bytes": len(ROWS), "parent": None, "error": None,
        "version": 1, "original": None, "change": {},
    }  # fmt: skip
    assert {name: told[name] for name in expected} == expected
    message = "'text' is a number, but must be text."
    assert told["problems"] == [{"line": 2, "row": 2, "code": "wrong-type", "message": message}]
    assert told["stats"]["length"] == {"average": 3.0, "shortest": 3, "longest": 3}
    assert {"sha256", "created_at"} <= told.keys()


@pytest.mark.parametrize(
    ("content", "fields", "field", "code"),
    [
        (b"", {}, "file", "upload.empty"),
        (b"\x00\xff", {}, "file", "upload.binary"),
        (ROWS, {"name": "x" * 200}, "name", "dataset.name-too-long"),
        (ROWS, {"name": "taken"}, "name", "dataset.name-taken"),
    ],
)
def test_a_refused_upload_says_why(content: bytes, fields: dict[str, str], field: str, code: str) -> None:
    make_dataset(name="taken")
    response = send(content, **fields)
    assert response.status_code == 400
    finding = response.json()["findings"][0]
    assert (finding["field"], finding["code"], finding["severity"]) == (field, code, "error")
    assert response.json()["message"] == finding["message"]


def test_several_files_at_once_are_refused() -> None:
    """Only the last would become a dataset, and nobody would be told."""
    two = [SimpleUploadedFile("a.jsonl", ROWS), SimpleUploadedFile("b.jsonl", ROWS)]
    response = make_client(make_user()).post(URL, {"file": two}, format="multipart")
    assert response.status_code == 400
    assert response.json()["findings"][0]["code"] == "upload.several"
    assert not Dataset.objects.exists()


@pytest.mark.parametrize("sent", [{}, {"file": "no file"}, {"name": "only"}])
def test_an_upload_without_a_file_is_refused(sent: dict[str, str]) -> None:
    for format in ("multipart", "json"):
        response = make_client(make_user()).post(URL, sent, format=format)
        assert (response.status_code, response.json()["findings"][0]["field"]) == (400, "file")


def test_the_list_is_paged_searched_and_ordered() -> None:
    for name in ("apples", "pears", "apple pies"):
        make_dataset(name=name)
    client = make_client(make_user())
    everything = client.get(URL).json()
    assert (everything["count"], everything["next"], everything["previous"]) == (3, None, None)
    found = client.get(URL, {"search": "apple", "ordering": "name"}).json()["results"]
    assert [each["name"] for each in found] == ["apple pies", "apples"]
    assert len(client.get(URL, {"page_size": 2}).json()["results"]) == 2
    assert client.get(URL, {"format": "text"}).json()["count"] == 0


def test_the_preview_gives_good_rows_from_where_one_asks() -> None:
    url = f"{URL}{send().json()['id']}/preview/"
    client = make_client(make_user())
    assert client.get(url).json() == {
        "rows": [{"text": "one"}, {"text": "two"}], "offset": 0, "limit": 5, "count": 2,
    }  # fmt: skip
    assert client.get(url, {"offset": 1, "limit": 1}).json()["rows"] == [{"text": "two"}]
    assert client.get(url, {"offset": 9}).json()["rows"] == []
    assert client.get(url, {"limit": 100_000}).json()["limit"] == 100


@pytest.mark.parametrize("asked", [{"offset": "-1"}, {"limit": "many"}, {"offset": "9" * 30}])
def test_a_preview_of_nonsense_is_refused(asked: dict[str, str]) -> None:
    response = make_client(make_user()).get(f"{URL}{make_dataset().pk}/preview/", asked)
    assert (response.status_code, response.json()["findings"][0]["field"]) == (400, next(iter(asked)))


def test_long_texts_are_cut_in_the_preview() -> None:
    dataset = send(b'{"text": "' + b"a" * 50_000 + b'"}').json()
    (row,) = make_client(make_user()).get(f"{URL}{dataset['id']}/preview/").json()["rows"]
    assert len(row["text"]) == 10_001


def test_a_conversion_answers_with_the_new_dataset() -> None:
    original = make_dataset()
    response = make_client(original.owner).post(f"{URL}{original.pk}/convert/", {"to": "text"})
    assert response.status_code == 201
    told = response.json()
    assert (told["format"], told["rows"], told["parent"]) == ("text", 20, original.pk)
    assert told["notes"]


@pytest.mark.parametrize("sent", [{"to": "parquet"}, {}, [], "text", {"to": None}, {"to": ["text"]}])
def test_a_conversion_that_does_not_exist_is_refused(sent: Any) -> None:
    original = make_dataset()
    response = make_client(original.owner).post(f"{URL}{original.pk}/convert/", sent)
    assert (response.status_code, response.json()["findings"][0]["field"]) == (400, "to")


def test_deleting_works_once() -> None:
    dataset = make_dataset()
    client = make_client(dataset.owner)
    assert client.delete(f"{URL}{dataset.pk}/").status_code == 204
    assert client.delete(f"{URL}{dataset.pk}/").status_code == 404


def test_deleting_is_refused_while_a_job_needs_the_dataset() -> None:
    dataset = make_dataset()
    make_job(dataset=dataset)
    response = make_client(dataset.owner).delete(f"{URL}{dataset.pk}/")
    assert response.status_code == 409
    assert response.json()["findings"][0]["code"] == "dataset.in-use"


def test_rows_come_with_their_line_and_what_is_wrong() -> None:
    pk = send().json()["id"]
    told = make_client(make_user()).get(f"{URL}{pk}/rows/", {"offset": 1, "limit": 1}).json()
    problem = {"code": "wrong-type", "message": "'text' is a number, but must be text."}
    assert told["rows"] == [{"row": 2, "line": 2, "fields": {"text": 5}, "problem": problem}]
    assert (told["offset"], told["next"]) == (1, 2)


@pytest.mark.parametrize(
    ("asked", "rows"), [({"search": "tw"}, [3]), ({"problem": "bad"}, [2]), ({"line": 3}, [3]), ({"offset": 9}, [])]
)
def test_rows_are_searched(asked: dict[str, Any], rows: list[int]) -> None:
    pk = send().json()["id"]
    told = make_client(make_user()).get(f"{URL}{pk}/rows/", asked).json()
    assert [each["row"] for each in told["rows"]] == rows


def test_rows_that_are_not_known_yet_are_not_given() -> None:
    dataset = make_dataset(status="reading")
    assert make_client(dataset.owner).get(f"{URL}{dataset.pk}/rows/").status_code == 409


def test_a_corrected_copy_is_tried_and_made() -> None:
    pk = send().json()["id"]
    client = make_client(make_user())
    trial = client.post(f"{URL}{pk}/correct/", {"dry_run": True, "choices": {"wrong-type": "drop"}}, format="json")
    assert (trial.status_code, trial.json()["by_code"]) == (200, {"wrong-type": 1})
    made = client.post(f"{URL}{pk}/correct/", {}, format="json")
    assert (made.status_code, made.json()["rows"], made.json()["report"]["rows_changed"]) == (201, 3, 1)
    versions = client.get(f"{URL}{pk}/versions/").json()
    assert [(each["version"], each["parent"]) for each in versions] == [(1, None), (2, pk)]
    report = client.get(f"{URL}{made.json()['id']}/report/")
    assert b"".join(report.streaming_content).startswith(b'{"line":2,"code":"wrong-type"')


def test_a_choice_that_does_not_exist_names_its_field() -> None:
    pk = send().json()["id"]
    response = make_client(make_user()).post(f"{URL}{pk}/correct/", {"choices": {"x": "drop"}}, format="json")
    assert (response.status_code, response.json()["findings"][0]["field"]) == (400, "choices")


def test_files_are_downloaded_as_they_are_or_with_the_good_rows() -> None:
    pk = send().json()["id"]
    client = make_client(make_user())
    assert b"".join(client.get(f"{URL}{pk}/download/").streaming_content) == ROWS
    exported = client.get(f"{URL}{pk}/download/", {"as": "jsonl"}, headers={"accept": "application/octet-stream"})
    assert b"".join(exported.streaming_content) == b'{"text":"one"}\n{"text":"two"}\n'
    assert client.get(f"{URL}{pk}/download/", {"as": "word"}).json()["findings"][0]["field"] == "as"
    assert client.get(f"{URL}{pk}/report/").status_code == 404


def test_a_split_answers_with_both_parts_and_they_can_be_compared() -> None:
    pk = send(b"".join(b'{"text": "%d"}\n' % number for number in range(10))).json()["id"]
    client = make_client(make_user())
    response = client.post(f"{URL}{pk}/split/", {"fraction": 0.3, "seed": 5}, format="json")
    assert response.status_code == 201
    training, held_out = response.json()["training"], response.json()["held_out"]
    assert (training["rows"], held_out["rows"], held_out["change"]["options"]["seed"]) == (7, 3, 5)
    told = client.get(f"{URL}{held_out['id']}/overlap/", {"with": pk}).json()
    assert told == {"rows": 3, "same_rows": 3, "same_questions": 0, "lines": [1, 2, 3]}


def test_a_split_that_makes_no_sense_names_its_field() -> None:
    client = make_client((dataset := make_dataset()).owner)
    for asked in ({"fraction": 7}, {"fraction": "x"}, {}):
        response = client.post(f"{URL}{dataset.pk}/split/", asked, format="json")
        assert (response.status_code, response.json()["findings"][0]["field"]) == (400, "fraction")


def test_another_persons_dataset_is_not_compared_with() -> None:
    mine, strange = make_dataset(), make_dataset(make_user("stranger"))
    response = make_client(mine.owner).get(f"{URL}{mine.pk}/overlap/", {"with": strange.pk})
    assert response.status_code == 404


CALLS = [("post", "split/"), ("get", "overlap/"),
         ("get", ""), ("delete", ""), ("get", "preview/"), ("post", "convert/"), ("get", "rows/"), ("post", "correct/"),
         ("get", "versions/"), ("get", "report/"), ("get", "download/")]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize("staff", [False, True])
def test_a_stranger_finds_nothing(method: str, path: str, staff: bool) -> None:
    dataset = make_dataset()
    stranger = make_client(make_user("stranger", is_staff=staff))
    response = getattr(stranger, method)(f"{URL}{dataset.pk}/{path}", {"to": "text"})
    assert response.status_code == 404
    assert response.json()["findings"][0]["code"] == "request.not-found"
    assert Dataset.objects.filter(pk=dataset.pk).exists()
    assert stranger.get(URL).json()["count"] == 0


@pytest.mark.parametrize(("method", "path"), [("get", ""), ("post", ""), ("get", "1/"), ("post", "1/convert/")])
def test_nobody_gets_anywhere_without_logging_in(method: str, path: str) -> None:
    assert getattr(make_client(), method)(f"{URL}{path}").status_code == 401
