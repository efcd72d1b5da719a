"""Two parts of a dataset that are stable, whole and disjoint; and what two datasets have in common."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django_q.models import OrmQ

from datasets_app import splits
from datasets_app.models import Dataset
from datasets_app.services import create_dataset
from datasets_app.side_files import PRINTS
from datasets_app.splits import overlap, split_dataset, take_prints
from finetune_site.problems import Problem
from tests.make import make_dataset, make_user

pytestmark = pytest.mark.django_db

TEXTS = [{"text": f"row {number}", "id": number} for number in range(200)]


def create(rows: list[Any], name: str = "") -> Dataset:
    content = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in rows).encode()
    return create_dataset(owner=make_user(), name=name, upload=SimpleUploadedFile("rows.jsonl", content))


def rows(dataset: Dataset) -> list[dict[str, Any]]:
    return [json.loads(line) for line in dataset.path.read_text().splitlines()]


def ask(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def test_both_parts_together_are_the_good_rows_in_their_order() -> None:
    original = create([*TEXTS, "{"], name="all")
    training, held_out = split_dataset(dataset=original, fraction=0.1)
    assert (len(rows(training)), len(rows(held_out))) == (180, 20)
    assert sorted(rows(training) + rows(held_out), key=lambda row: row["id"]) == TEXTS
    assert [row["id"] for row in rows(held_out)] == sorted(row["id"] for row in rows(held_out))
    assert (training.name, held_out.name) == ("all, training part", "all, held-out part")
    assert (training.version, held_out.version, held_out.parent) == (2, 3, original)
    assert training.notes == ["1 of 201 rows are in neither part because they are bad."]


def test_the_same_seed_draws_the_same_rows_and_another_one_others() -> None:
    original = create(TEXTS)
    first, again, other = (rows(split_dataset(dataset=original, fraction=0.2, seed=seed)[1]) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert len(other) == 40


def test_a_row_that_is_added_moves_hardly_any_other() -> None:
    before = rows(split_dataset(dataset=create(TEXTS), fraction=0.2)[1])
    after = rows(split_dataset(dataset=create([*TEXTS, {"text": "new"}]), fraction=0.2)[1])
    assert sum(row not in after for row in before) <= 1


def test_equal_rows_and_equal_questions_stay_in_one_part() -> None:
    chats = [ask(f"question {number % 20}", f"answer {number}") for number in range(100)]
    training, held_out = split_dataset(dataset=create(chats), fraction=0.2)
    assert len(rows(held_out)) == 20
    found = overlap(training, held_out)
    assert found is not None
    assert (found.same_rows, found.same_questions) == (0, 0)


def test_questions_may_be_spread_over_both_parts_and_are_counted_then() -> None:
    chats = [ask(f"question {number % 20}", f"answer {number}") for number in range(100)]
    training, held_out = split_dataset(dataset=create(chats), fraction=0.2, together=False)
    found = overlap(training, held_out)
    assert found is not None
    assert (found.rows, found.same_rows, found.same_questions) == (20, 0, 20)
    assert found.lines == (1, 2, 3)


def test_the_same_rows_are_found_in_files_that_write_them_differently() -> None:
    mine = create([ask("one", "1"), ask("two", "2"), ask("three", "3")])
    turns = [{"from": "human", "value": "two"}, {"from": "gpt", "value": "2"}]
    other = create([{"conversations": [{"from": "human", "value": "new"}, {"from": "gpt", "value": "2"}]},
                    {"conversations": turns}])  # fmt: skip
    found = overlap(mine, other)
    assert found is not None
    assert found.as_dict() == {"rows": 2, "same_rows": 1, "same_questions": 1, "lines": [2]}


def test_plain_texts_have_no_question_in_common() -> None:
    found = overlap(create(TEXTS[:50]), create(TEXTS[40:60]))
    assert found is not None
    assert (found.same_rows, found.same_questions) == (10, 0)


def test_when_all_ask_the_same_nothing_can_be_held_out() -> None:
    training, held_out = split_dataset(dataset=create([ask("why?", str(number)) for number in range(10)]), fraction=0.2)
    assert (training.status, held_out.error["code"]) == ("failed", "split.one-question")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"fraction": 0}, "fraction"),
        ({"fraction": 1}, "fraction"),
        ({"fraction": "nan"}, "fraction"),
        ({"fraction": "a tenth"}, "fraction"),
        ({"fraction": None}, "fraction"),
        ({"fraction": 0.001}, "fraction"),
        ({"fraction": 0.999}, "fraction"),
        ({"fraction": 0.1, "seed": -1}, "seed"),
        ({"fraction": 0.1, "seed": "x"}, "seed"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused_and_makes_nothing(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(Problem) as caught:
        split_dataset(dataset=make_dataset(), **asked)
    assert [finding.field for finding in caught.value.findings] == [field]
    assert Dataset.objects.count() == 1


def test_prints_of_large_files_are_taken_by_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "TAKEN_AT_ONCE", 10)
    dataset = create(TEXTS)
    dataset.path.with_suffix(PRINTS).unlink()  # taken while it was read
    assert overlap(dataset, dataset) is None
    assert OrmQ.objects.filter().first().task["args"] == (dataset.pk,)
    take_prints(dataset.pk)
    found = overlap(dataset, dataset)
    assert found is not None
    assert found.same_rows == 200
    assert dataset.path.with_suffix(PRINTS).stat().st_size == 200 * 3 * 8
