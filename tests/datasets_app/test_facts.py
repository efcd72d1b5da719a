"""What the rulebook hears about a dataset."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets_app.facts import average_tokens, dataset_facts, evaluation_facts
from datasets_app.services import create_dataset
from jobs.rulebook import check, read
from jobs.rulebook.vocabulary import FACTS, Source
from tests.make import make_dataset, make_user
from tests.rulebook.world import World, spec

pytestmark = pytest.mark.django_db


def test_every_fact_about_a_dataset_is_told() -> None:
    rows = b'{"text": "Ahoy"}\n{"text": 5}\n{"text": 6}\n{\n'
    dataset = create_dataset(owner=make_user(), name="", upload=SimpleUploadedFile("mine.jsonl", rows))
    facts = dataset_facts(str(dataset.pk), dataset.owner)
    assert facts.keys() == {fact.name for fact in FACTS.values() if fact.source is Source.DATASET}
    assert facts == {
        "dataset_found": True,
        "dataset_status": "ready",
        "dataset_name": "mine",
        "dataset_format": "text",
        "dataset_layout": "text",
        "dataset_columns": ("text",),
        "columns_read": ("text",),
        "conversational": False,
        "convertible_to": (),
        "rows": 4,
        "bad_row_count": 3,
        "bad_row_lines": (2, 3, 4),
        "bad_row_reason": "wrong type",
        "equal_pairs": 0,
        "roles": (),
        "unalternating": 0,
        "row_shapes": {},
        "rows_with_tools": 0,
        "rows_with_calls": 0,
        "rows_with_weights": 0,
        "rows_with_reasoning": 0,
        "token_ceiling": 68,
        "dataset_bytes": 43,
        "average_tokens": 1,
        "content_advice": (),
    }


def test_every_fact_about_a_dataset_to_evaluate_with_is_told() -> None:
    training, evaluation = make_dataset(name="mine"), make_dataset(name="held out")
    facts = evaluation_facts(str(evaluation.pk), str(training.pk), training.owner)
    assert facts.keys() == {fact.name for fact in FACTS.values() if fact.source is Source.EVALUATION}
    assert facts == {
        "eval_found": True,
        "eval_status": "ready",
        "eval_name": "held out",
        "eval_kind": ("messages", True),
        "eval_rows": 20,
        "eval_bad_rows": 0,
        "eval_same_rows": 20,
        "eval_same_questions": 20,
        "eval_same_lines": (1, 2, 3),
    }


def test_what_is_another_persons_or_not_read_yet_is_not_evaluated_with() -> None:
    dataset = make_dataset(status="reading", name="new")
    assert evaluation_facts(str(dataset.pk), None, make_user("stranger")) == {"eval_found": False}
    known = {"eval_found": True, "eval_status": "reading", "eval_name": "new"}
    assert evaluation_facts(str(dataset.pk), None, dataset.owner) == known


def test_a_chat_can_become_text() -> None:
    dataset = make_dataset()
    assert dataset_facts(str(dataset.pk), dataset.owner)["convertible_to"] == ("text", "prompt_completion")


def test_a_good_dataset_has_no_reason_for_bad_rows() -> None:
    dataset = make_dataset()
    assert dataset_facts(str(dataset.pk), dataset.owner)["bad_row_reason"] is None


def test_while_a_dataset_is_read_only_its_status_is_known() -> None:
    dataset = make_dataset(status="reading")
    facts = dataset_facts(str(dataset.pk), dataset.owner)
    assert facts == {"dataset_found": True, "dataset_status": "reading", "dataset_name": "support chats"}


@pytest.mark.parametrize("asked", ["0", "-1", "999999", "abc", "", "1e3", "٣", "9" * 40, "1; drop"])
def test_what_does_not_exist_is_not_found(asked: str) -> None:
    assert dataset_facts(asked, make_user()) == {"dataset_found": False}


@pytest.mark.parametrize("staff", [False, True])
def test_somebody_elses_dataset_is_not_found(staff: bool) -> None:
    dataset = make_dataset()
    assert dataset_facts(str(dataset.pk), make_user("stranger", is_staff=staff)) == {"dataset_found": False}


LENGTH = {"average": 400, "shortest": 10, "longest": 1000}


@pytest.mark.parametrize(
    ("stats", "tokens"),
    [
        ({"length": LENGTH, "token_ceiling": 1000 + 64}, 100),
        ({"length": LENGTH, "token_ceiling": 3000 + 64}, 300),  # three bytes to a letter
        ({"length": LENGTH, "token_ceiling": 1000 + 64 + 4 * 16, "turns": {"average": 2, "most": 4}}, 110),
        ({"length": {"average": 0, "shortest": 0, "longest": 0}, "token_ceiling": 0}, None),
        ({}, None),
    ],
)
def test_tokens_of_a_row_are_reckoned_from_its_letters(stats: dict[str, Any], tokens: int | None) -> None:
    assert average_tokens(stats) == tokens


def test_of_a_dataset_that_was_read_before_nothing_is_claimed() -> None:
    """Its file was not counted for what rules learnt to ask since."""
    dataset = make_dataset(stats={})
    facts = dataset_facts(str(dataset.pk), dataset.owner)
    assert {facts[name] for name in ("row_shapes", "unalternating", "token_ceiling", "average_tokens")} == {None}
    report = check({**World().known(read(spec())), **facts, "dataset": "1"})
    assert {"template.refuses-rows", "length.rows-cut"} & {finding.code for finding in report} == set()
    assert report.ok, report.errors
