"""A corrected copy: tried first, then made as a version of its own, with a report of every change."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets_app import corrections, services
from datasets_app.corrections import choices_of, correct_dataset, try_correction
from datasets_app.models import Dataset
from datasets_app.services import create_dataset, delete_dataset
from datasets_app.versions import family
from finetune_site.problems import Problem
from tests.make import make_dataset, make_user

pytestmark = pytest.mark.django_db

USER, AI = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}


def create(*rows: Any, name: str = "chats") -> Dataset:
    lines = (row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
    upload = SimpleUploadedFile("chats.jsonl", b"\n".join(lines))
    return create_dataset(owner=make_user(), name=name, upload=upload)


def chat(*turns: Any, **more: Any) -> dict[str, Any]:
    return {"messages": list(turns), **more}


def rows(dataset: Dataset) -> list[dict[str, Any]]:
    return [json.loads(line) for line in dataset.path.read_text().splitlines()]


def changes(dataset: Dataset) -> list[dict[str, Any]]:
    return [json.loads(line) for line in dataset.report_path.read_text().splitlines()]


def test_bad_rows_are_repaired_or_left_out_and_every_change_is_written_down() -> None:
    original = create(
        chat(USER, AI, id=1),
        b'{"messages": [',
        chat(USER, {"role": "user", "content": None}, AI, id=3),
        chat(USER, AI),
    )
    made = correct_dataset(dataset=original, choices={})
    assert rows(made) == [chat(USER, AI, id=1)]
    assert changes(made) == [
        {"line": 2, "code": "broken-json", "done": changes(made)[0]["done"], "left_out": True},
        {
            "line": 3,
            "code": "duplicate",
            "done": "Took out 1 turn without content. Left out: the same as an earlier row.",
            "left_out": True,
        },
        {"line": 4, "code": "duplicate", "done": "Left out: the same as an earlier row.", "left_out": True},
    ]
    counts = {"rows_written": 1, "rows_left_out": 3, "rows_changed": 0}
    assert made.report == {**counts, "by_code": {"duplicate": 2, "broken-json": 1}}
    assert (made.name, made.version, made.parent, made.original) == ("chats, corrected", 2, original, original)
    assert (made.rows, made.bad_rows) == (1, 0)


def test_good_rows_keep_every_byte() -> None:
    line = b'{ "messages": [{"content":"Hi","role":"user"},{"role":"assistant","content":"\\u0041hoy"}], "id": 1.50 }'
    assert correct_dataset(dataset=create(line, b"{"), choices={}).path.read_bytes() == line + b"\n"


def test_a_list_that_is_spread_over_lines_becomes_one_line_a_row() -> None:
    original = create(json.dumps([chat(USER, AI), chat(AI, AI)], indent=2).encode())
    assert rows(correct_dataset(dataset=original, choices={})) == [chat(USER, AI), chat(AI, AI)]


def test_classes_are_left_out_where_that_is_chosen() -> None:
    original = create(chat(USER, AI), chat(USER, AI, {"role": "user", "content": None}))
    made = correct_dataset(dataset=original, choices={"null-content": "drop"})
    assert rows(made) == [chat(USER, AI)]
    assert changes(made)[0]["done"].startswith("Left out: The content of turn 3")


def test_good_rows_are_changed_only_where_that_is_chosen() -> None:
    original = create(chat(USER, USER, AI, USER), name="odd")
    assert rows(correct_dataset(dataset=original, choices={})) == [chat(USER, USER, AI, USER)]
    made = correct_dataset(dataset=original, choices={"same-role": "repair", "open-end": "repair"})
    assert rows(made) == [chat({"role": "user", "content": "Hi\n\nHi"}, AI)]
    assert made.report["rows_changed"] == 1
    assert not rows(correct_dataset(dataset=original, choices={"open-end": "drop"}))


def test_a_row_that_is_bad_in_two_ways_is_repaired_in_both() -> None:
    twice = chat(USER, AI, {"role": "user", "content": None}, {"role": "assistant", "content": ""})
    made = correct_dataset(dataset=create(twice), choices={})
    assert rows(made) == [chat(USER, AI)]
    assert "without content. Took out 1 turn of the assistant that said nothing." in changes(made)[0]["done"]


def test_a_row_of_which_nothing_is_left_is_left_out() -> None:
    made = correct_dataset(dataset=create(chat(USER, AI), chat(USER, {**AI, "content": ""})), choices={})
    assert rows(made) == [chat(USER, AI)]
    (change,) = changes(made)
    assert change["left_out"]
    assert "Left out: " in change["done"]


def test_equal_pairs_go_where_that_is_chosen() -> None:
    pairs = [{"prompt": "p", "chosen": "a", "rejected": "b"}, {"prompt": "p", "chosen": "a", "rejected": "a"}]
    original = create(*pairs)
    assert len(rows(correct_dataset(dataset=original, choices={}))) == 2
    assert rows(correct_dataset(dataset=original, choices={"equal-pair": "drop"})) == pairs[:1]


@pytest.mark.parametrize(
    ("choices", "field", "code"),
    [
        ({"no-such": "drop"}, "choices", "correction.unknown-class"),
        ({"broken-json": "repair"}, "choices.broken-json", "correction.unknown-action"),
        ({"broken-json": "keep"}, "choices.broken-json", "correction.unknown-action"),
        ({"duplicate": "repair"}, "choices.duplicate", "correction.unknown-action"),
        ({"duplicate": 1}, "choices.duplicate", "correction.unknown-action"),
    ],
)
def test_what_cannot_be_chosen_is_refused(choices: dict[str, Any], field: str, code: str) -> None:
    with pytest.raises(Problem) as caught:
        choices_of(choices)
    (finding,) = caught.value.findings
    assert (finding.field, finding.code) == (field, code)


@pytest.mark.parametrize("changed", [{"status": "reading"}, {"status": "failed"}, {"format": "unknown"}])
def test_what_is_not_known_cannot_be_corrected(changed: dict[str, Any]) -> None:
    with pytest.raises(Problem) as caught:
        correct_dataset(dataset=make_dataset(**changed), choices={})
    assert caught.value.status_code == 409


def test_a_trial_counts_what_a_copy_would_do_and_writes_nothing() -> None:
    original = create(chat(USER, AI), b"{", chat(USER, AI), chat(USER, AI, {"role": "user", "content": None}, id=2))
    trial = try_correction(dataset=original, choices={})
    assert Dataset.objects.count() == 1
    assert (trial.rows, trial.whole) == (4, True)
    assert trial.report.as_dict() == correct_dataset(dataset=original, choices={}).report
    assert trial.examples[0]["before"] == "{"
    assert [each["code"] for each in trial.examples] == ["broken-json", "duplicate", "duplicate"]


def test_of_a_large_file_the_beginning_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "TRIED_BYTES", 100)
    trial = try_correction(dataset=create(*[chat(USER, AI)] * 9), choices={})
    assert (trial.rows, trial.whole) == (2, False)


def test_duplicates_are_found_when_their_prints_have_been_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets_app.fingerprints.RECENT", 3)
    texts = [{"text": str(number % 10)} for number in range(40)]
    assert rows(correct_dataset(dataset=create(*texts), choices={})) == texts[:10]


def test_a_large_copy_is_written_by_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    original = create(chat(USER, AI), b"{")
    monkeypatch.setattr(services, "READ_AT_ONCE", 10)
    made = correct_dataset(dataset=original, choices={})
    assert (made.status, made.report) == ("reading", {})
    services.read_dataset(made.pk)
    made.refresh_from_db()
    assert (made.status, made.rows, made.report["rows_left_out"]) == ("ready", 1, 1)


def test_versions_are_numbered_and_know_each_other_even_without_the_first() -> None:
    first = create(chat(USER, AI))
    second = correct_dataset(dataset=first, choices={})
    third = correct_dataset(dataset=second, choices={})
    assert [each.version for each in family(second)] == [1, 2, 3]
    delete_dataset(dataset=first)
    second.refresh_from_db()
    third.refresh_from_db()
    assert (second.original, second.parent, third.original, third.parent) == (None, None, second, second)
    assert correct_dataset(dataset=third, choices={}).version == 4


def test_the_report_goes_with_its_dataset(django_capture_on_commit_callbacks: Any) -> None:
    made = correct_dataset(dataset=create(b"{", chat(USER, AI)), choices={})
    path = made.report_path
    assert path.exists()
    with django_capture_on_commit_callbacks(execute=True):
        delete_dataset(dataset=made)
    assert not path.exists()
