"""Chats that call tools, answers of weight 0, and answers judged good or bad."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.rulebook import read

from .world import World, codes, spec

KEPT = {"schema": "kept", "calls": "kept", "answers": "kept", "text_beside_call": "kept"}


def found(facts: dict[str, Any], **changes: Any) -> list[str]:
    return codes(World(changes=facts).report(read(spec(**changes))))


@pytest.mark.parametrize(
    ("fate", "expected"),
    [
        ({"calls": "refused"}, ["tools.calls-refused"]),
        ({"calls": "as-text"}, []),
        ({"calls": "dropped"}, ["tools.calls-dropped"]),
        ({"schema": "dropped"}, ["tools.descriptions-lost"]),
        ({"schema": "refused"}, ["tools.descriptions-refused"]),
        ({"text_beside_call": "dropped"}, ["tools.text-lost"]),
        ({}, []),
    ],
)
def test_what_a_template_does_to_tools_is_said_of_rows_with_tools(fate: dict[str, str], expected: list[str]) -> None:
    facts = {"template_tools": KEPT | fate}
    assert found(facts | {"rows_with_calls": 3, "rows_with_tools": 3}) == expected
    assert found(facts) == []


@pytest.mark.parametrize(
    ("fate", "expected"),
    [("dropped", ["template.reasoning-apart-lost"]), ("last", ["template.reasoning-apart-forgotten"]), ("kept", [])],
)
def test_what_a_template_does_to_reasoning_apart_is_said_of_rows_that_have_it(fate: str, expected: list[str]) -> None:
    assert found({"template_reasoning": fate, "rows_with_reasoning": 3}) == expected
    assert found({"template_reasoning": fate}) == []


@pytest.mark.parametrize(("answers_only", "expected"), [(None, 1), (False, 1), (True, 0)])
def test_answers_of_weight_0_need_a_loss_on_answers_alone(answers_only: bool | None, expected: int) -> None:
    told = found({"rows_with_weights": 3}, **{"data.assistant_only_loss": answers_only})
    assert told.count("dataset.weights-ignored") == expected


def test_without_weights_every_turn_may_be_trained() -> None:
    assert "dataset.weights-ignored" not in found({}, **{"data.assistant_only_loss": False})


def test_judged_answers_are_refused_and_nothing_else_is_said() -> None:
    facts = {"dataset_format": "unpaired_preference", "convertible_to": ("prompt_completion",)}
    assert found(facts | {"dataset_columns": ("prompt", "completion", "label"), "columns_read": ()}) == [
        "dataset.judged-answers", "dataset.untrained-columns",
    ]  # fmt: skip


def test_columns_that_another_layout_reads_are_no_loss() -> None:
    columns = ("conversations", "tools")
    assert found({"dataset_columns": columns, "columns_read": columns}) == []


def test_choices_beside_questions_are_told() -> None:
    columns = ("question", "choices", "answer")
    assert found({"dataset_columns": columns, "columns_read": ("question", "answer")}) == ["dataset.untrained-columns"]
