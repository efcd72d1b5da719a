"""Datasets are stored whole or not at all, read once, converted beside the original, deleted when unused."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from django_q.models import OrmQ

from datasets_app import services, uploads
from datasets_app.conversions import convert_dataset
from datasets_app.models import Dataset
from datasets_app.services import create_dataset, delete_dataset, read_dataset, revive_stalled
from finetune_site.problems import Problem
from tests.make import make_dataset, make_job, make_user

pytestmark = pytest.mark.django_db

TEXT = b'{"text": "Ahoy"}\n'
CHAT = b'{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]}\n'


def upload(content: bytes = TEXT, name: str = "rows.jsonl") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def create(content: bytes = TEXT, *, name: str = "", file_name: str = "rows.jsonl") -> Dataset:
    return create_dataset(owner=make_user(), name=name, upload=upload(content, file_name))


def refused(**asked: Any) -> dict[str | None, str]:
    with pytest.raises(Problem) as caught:
        create(**asked)
    return {finding.field: finding.code for finding in caught.value.findings}


def files() -> set[Path]:
    return set(Path(settings.DATASETS_DIR).iterdir())


def test_an_upload_is_stored_hashed_and_read() -> None:
    dataset = create(CHAT * 3 + b"{\n", name="  support   chats ")
    assert dataset.path.read_bytes() == CHAT * 3 + b"{\n"
    assert dataset.sha256 == hashlib.sha256(CHAT * 3 + b"{\n").hexdigest()
    assert (dataset.name, dataset.status, dataset.format) == ("support chats", "ready", "messages")
    assert (dataset.rows, dataset.bad_rows, dataset.conversational) == (4, 1, True)
    assert dataset.problems[0]["line"] == 4
    assert len(dataset.preview) == 3


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "upload.empty"),
        (b" \n\r\n\t", "upload.empty"),
        (b"\xef\xbb\xbf\n", "upload.empty"),
        (b"\n" * 200_000, "upload.empty"),
        (b"\x00\x01\x02\x03", "upload.binary"),
        (b"\x80\x81\x82", "upload.binary"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "upload.binary"),
        (b"\x1f\x8b\x08abc", "upload.damaged"),
        (b"PK\x03\x04abc", "upload.binary"),
        (b"PAR1abc", "upload.damaged"),
        (b"prompt,completion\n", "upload.no-rows"),
    ],
)
def test_a_file_that_cannot_hold_a_row_is_refused_and_leaves_nothing(content: bytes, code: str) -> None:
    before = files()
    assert refused(content=content) == {"file": code}
    assert files() == before
    assert not Dataset.objects.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\n" * 200_000 + TEXT,
        TEXT + b"\x00\x00\n",
        TEXT + b'{"text": "caf\xe9"}\n',
        b"question,answer\n1,2\n",
        "ä".encode() * 40_000,
        b"a" + "ä".encode() * 40_000,
    ],
)
def test_a_file_with_some_text_in_it_is_kept(content: bytes) -> None:
    assert create(content).status == "ready"


def test_what_the_file_is_called_does_not_matter() -> None:
    dataset = create(TEXT, file_name="../../etc/pass\x00wd.csv")
    assert (dataset.format, dataset.rows) == ("text", 1)
    assert dataset.path.parent == Path(settings.DATASETS_DIR)
    assert "\0" not in dataset.file_name


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings.ENVIRONMENT, "max_upload_mb", 1)
    assert refused(content=TEXT * 70_000) == {"file": "upload.too-large"}


def test_a_file_the_disk_has_no_room_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "DISK_RESERVE", 1 << 60)
    assert refused() == {"file": "upload.disk-full"}


def test_nothing_is_left_when_storing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Path, target: Path) -> None:
        raise OSError("no")

    before = files()
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no"):
        create()
    assert files() == before
    assert not Dataset.objects.exists()


def test_a_name_that_was_given_must_be_free() -> None:
    create(name="chats")
    with pytest.raises(Problem) as caught:
        create(name="chats")
    (finding,) = caught.value.findings
    assert (finding.field, finding.code) == ("name", "dataset.name-taken")
    assert "chats (2)" in finding.message


def test_a_name_that_was_not_given_is_made_free() -> None:
    assert [create(file_name="chats.jsonl").name for _ in range(3)] == ["chats", "chats (2)", "chats (3)"]


def test_another_persons_names_do_not_matter() -> None:
    create(name="chats")
    stranger = make_user("stranger")
    assert create_dataset(owner=stranger, name="chats", upload=upload()).name == "chats"


def test_a_name_that_is_too_long_is_refused() -> None:
    assert refused(name="a" * 121) == {"name": "dataset.name-too-long"}
    assert len(create(name="a" * 120).name) == 120


def test_a_large_file_is_read_by_a_task(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr(services, "READ_AT_ONCE", 10)
    with django_capture_on_commit_callbacks(execute=True):
        dataset = create()
    assert dataset.status == "reading"
    assert OrmQ.objects.get().task["args"] == (dataset.pk,)
    read_dataset(dataset.pk)
    dataset.refresh_from_db()
    assert (dataset.status, dataset.rows) == ("ready", 1)


def test_reading_again_changes_nothing() -> None:
    dataset = create()
    dataset.path.write_bytes(b"{\n" * 5)
    read_dataset(dataset.pk)
    dataset.refresh_from_db()
    assert (dataset.rows, dataset.bad_rows) == (1, 0)


def test_reading_what_is_gone_does_nothing() -> None:
    read_dataset(987_654)


def test_a_crash_of_the_reader_fails_the_dataset_with_a_reference(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(*arguments: Any) -> None:
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr(services, "read_file", crash)
    dataset = create()
    assert dataset.status == "failed"
    assert dataset.error["code"] == "dataset.unreadable"
    reference = caplog.records[-1].getMessage().split()[-1]
    assert reference in dataset.error["message"]
    assert "a bug of ours" not in dataset.error["message"]


def test_a_dataset_whose_reader_died_is_given_to_a_new_one_once() -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    dead = make_dataset(name="dead", status="reading", touched_at=long_ago)
    make_dataset(name="alive", status="reading")
    make_dataset(name="done", touched_at=long_ago)
    for _ in range(2):
        revive_stalled(owner=dead.owner)
    assert OrmQ.objects.get().task["args"] == (dead.pk,)


@pytest.mark.parametrize(
    ("row", "to", "expected"),
    [
        (
            {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]},
            "text",
            {"text": "User: Hi\n\nAssistant: Ahoy"},
        ),
        (
            {"prompt": "Hi", "completion": "Ahoy"},
            "messages",
            {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]},
        ),
        (
            {"prompt": [{"role": "user", "content": "Hi"}], "completion": [{"role": "assistant", "content": "Ahoy"}]},
            "messages",
            {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]},
        ),
        (
            {"prompt": "Hi", "chosen": "Ahoy", "rejected": "Go away"},
            "prompt_completion",
            {"prompt": "Hi", "completion": "Ahoy"},
        ),
    ],
)
def test_a_conversion_makes_a_new_dataset_beside_the_original(
    row: dict[str, Any], to: str, expected: dict[str, Any]
) -> None:
    original = create(json.dumps(row).encode() + b"\n{\n", name="mine")
    converted = convert_dataset(dataset=original, to=to)
    assert [json.loads(line) for line in converted.path.read_text().splitlines()] == [expected]
    assert (converted.format, converted.rows, converted.bad_rows) == (to, 1, 0)
    assert (converted.parent, converted.owner) == (original, original.owner)
    assert "1 of 2 rows were left out" in converted.notes[-1]
    assert converted.size_bytes == converted.path.stat().st_size
    assert original.path.exists()


def test_a_conversion_of_good_rows_says_only_what_is_lost() -> None:
    converted = convert_dataset(dataset=create(CHAT), to="text")
    assert len(converted.notes) == 1
    assert "chat template" in converted.notes[0]


def test_converting_twice_makes_two_datasets() -> None:
    original = create(CHAT, name="mine")
    names = [convert_dataset(dataset=original, to="text").name for _ in range(2)]
    assert names == ["mine as text", "mine as text (2)"]


@pytest.mark.parametrize(
    ("content", "to"),
    [
        (CHAT, "messages"),
        (CHAT, "preference"),
        (CHAT, "parquet"),
        (TEXT, "messages"),
        (b'{"q": 1}', "text"),
        (CHAT, ""),
    ],
)
def test_a_conversion_that_does_not_exist_is_refused(content: bytes, to: str) -> None:
    with pytest.raises(Problem) as caught:
        convert_dataset(dataset=create(content), to=to)
    assert [finding.field for finding in caught.value.findings] == ["to"]
    assert Dataset.objects.count() == 1


def test_a_large_conversion_is_made_by_the_task(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    original = create(CHAT)
    monkeypatch.setattr(services, "READ_AT_ONCE", 10)
    with django_capture_on_commit_callbacks(execute=True):
        converted = convert_dataset(dataset=original, to="text")
    assert (converted.status, OrmQ.objects.count()) == ("reading", 1)
    read_dataset(converted.pk)
    converted.refresh_from_db()
    assert (converted.status, converted.format, converted.rows) == ("ready", "text", 1)


@pytest.mark.parametrize("changes", [{"status": "reading"}, {"status": "failed"}, {"bad_rows": 20}])
def test_nothing_is_converted_before_a_good_row_of_it_is_known(changes: dict[str, Any]) -> None:
    with pytest.raises(Problem, match="can be converted to nothing"):
        convert_dataset(dataset=make_dataset(**changes), to="text")


def test_a_conversion_that_was_written_is_not_written_again() -> None:
    original = create(CHAT)
    converted = convert_dataset(dataset=original, to="text")
    delete_dataset(dataset=original)
    Dataset.objects.filter(pk=converted.pk).update(status=Dataset.Status.READING)
    read_dataset(converted.pk)
    converted.refresh_from_db()
    assert (converted.status, converted.rows) == ("ready", 1)


def test_an_original_stays_while_it_is_being_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    original = create(CHAT)
    monkeypatch.setattr(services, "READ_AT_ONCE", 10)
    convert_dataset(dataset=original, to="text")
    with pytest.raises(Problem) as caught:
        delete_dataset(dataset=original)
    assert caught.value.status_code == 409


def test_deleting_removes_row_and_file(django_capture_on_commit_callbacks: Any) -> None:
    dataset = create()
    path = dataset.path
    with django_capture_on_commit_callbacks(execute=True):
        delete_dataset(dataset=dataset)
    assert not path.exists()
    assert not Dataset.objects.exists()


def test_the_file_goes_with_its_owner(django_capture_on_commit_callbacks: Any) -> None:
    dataset = create()
    path = dataset.path
    with django_capture_on_commit_callbacks(execute=True):
        dataset.owner.delete()
    assert not path.exists()


@pytest.mark.parametrize("state", ["queued", "preparing", "running"])
def test_a_dataset_stays_while_a_job_needs_it(state: str) -> None:
    dataset = create()
    make_job(dataset=dataset, state=state, name="nightly")
    with pytest.raises(Problem) as caught:
        delete_dataset(dataset=dataset)
    assert caught.value.status_code == 409
    assert "nightly" in caught.value.message
    assert dataset.path.exists()


def test_a_dataset_stays_while_a_job_evaluates_with_it() -> None:
    evaluation = create()
    job = make_job(spec={"data": {"eval_dataset": str(evaluation.pk)}}, name="nightly")
    with pytest.raises(Problem, match="nightly"):
        delete_dataset(dataset=evaluation)
    job.state = "succeeded"
    job.finished_at = timezone.now()
    job.save()
    delete_dataset(dataset=evaluation)


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled", "refused"])
def test_a_dataset_goes_when_its_jobs_have_ended(state: str) -> None:
    dataset = create()
    job = make_job(dataset=dataset, state=state)
    delete_dataset(dataset=dataset)
    job.refresh_from_db()
    assert job.dataset is None


@pytest.fixture
def _rival(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else takes the first free name between our look and our save."""

    def look_first(owner: Any, wanted: str) -> str:
        name = look(owner, wanted)
        if not rivals:
            rivals.append(make_dataset(owner=owner, name=name))
        return name

    look, rivals = services.free_name, list[Dataset]()
    monkeypatch.setattr(services, "free_name", look_first)


@pytest.mark.usefixtures("_rival")
def test_an_upload_without_a_name_takes_the_next_when_its_name_is_snatched() -> None:
    assert create(name="").name == "rows (2)"


@pytest.mark.usefixtures("_rival")
def test_a_conversion_takes_the_next_name_when_its_name_is_snatched() -> None:
    assert convert_dataset(dataset=create(CHAT, name="chats"), to="text").name == "chats as text (2)"
