"""The rows that a rehearsal tries: which are chosen, why, and how they are cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datasets_app.models import TellingRows
from datasets_app.reading import choose_telling_rows
from datasets_app.telling_rows import as_rehearsed, telling_rows
from tests.make import make_dataset


def turns(*contents: str, roles: tuple[str, ...] = ("user", "assistant")) -> dict[str, Any]:
    return {"messages": [{"role": roles[n % len(roles)], "content": text} for n, text in enumerate(contents)]}


def chosen(tmp_path: Path, rows: list[Any], format: str = "messages", as_list: bool = False) -> dict[int, str]:
    path = tmp_path / "rows"
    path.write_text(json.dumps(rows) if as_list else "\n".join(map(json.dumps, rows)))
    found = choose_telling_rows(path, format, True, "seed")
    return {telling.line: ", ".join(telling.why) for telling in found}


MANY = [turns("How are you?", "Very well, thank you.")] * 40


def test_longest_shortest_and_most_turns_are_chosen(tmp_path: Path) -> None:
    rows = [*MANY, turns("x" * 500, "y"), turns("?", "!"), turns("a", "bcd", "efgh", "ijkl" * 4)]
    why = chosen(tmp_path, rows)
    assert [why[line].partition(",")[0] for line in (41, 42, 43)] == ["longest", "shortest", "most turns"]


def test_the_first_row_with_a_rare_role_is_chosen(tmp_path: Path) -> None:
    rows = [*MANY, turns("Be brief.", "Yes?", "No.", roles=("system", "user", "assistant"))]
    assert "rare role (system)" in chosen(tmp_path, rows)[41]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (turns("one", "two", roles=("assistant", "assistant")), "turns out of order"),
        (turns(" ", "An answer to nothing."), "an empty text"),
        (turns("What is <|im_end|> for?", "It ends a turn."), "what looks like a special token"),
    ],
)
def test_rows_that_may_be_doubted_are_chosen(tmp_path: Path, row: Any, why: str) -> None:
    assert why in chosen(tmp_path, [*MANY, row])[41]


def test_bad_rows_are_left_out_and_lines_are_those_of_the_file(tmp_path: Path) -> None:
    assert 2 not in chosen(tmp_path, [MANY[0], {"messages": []}, MANY[0]])


def test_at_most_twelve_rows_are_chosen_and_always_the_same(tmp_path: Path) -> None:
    rows = [turns("q" * number, "a") for number in range(1, 400)]
    assert len(chosen(tmp_path, rows)) <= 12
    assert chosen(tmp_path, rows) == chosen(tmp_path, rows)


def test_rows_on_one_line_are_told_apart(tmp_path: Path) -> None:
    rows = [turns("q" * number, "a") for number in range(1, 6)]
    assert chosen(tmp_path, rows, as_list=True)[5] == "longest, drawn at random"


def test_a_row_of_megabytes_is_cut_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text(json.dumps(turns("x" * 2_000_000, "The answer.")))
    [telling] = choose_telling_rows(path, "messages", True, "seed")
    question, answer = (turn["content"] for turn in telling.row["messages"])
    assert (len(question) + len(answer), answer) == (100_000, "The answer.")
    assert "cut, it has 2,000,011 characters" in telling.why


def test_a_row_of_very_many_turns_ends_with_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text(json.dumps(turns(*["word"] * 5001)))
    [telling] = choose_telling_rows(path, "messages", True, "seed")
    assert len(telling.row["messages"]) == 1000 and telling.row["messages"][-1]["role"] == "assistant"


@pytest.mark.django_db
def test_they_are_chosen_once_for_a_dataset() -> None:
    dataset = make_dataset()
    first = telling_rows(dataset)
    dataset.path.unlink()
    assert telling_rows(dataset) == first and TellingRows.objects.count() == 1
    assert as_rehearsed(first)[0].keys() == {"line", "why", "row"}


@pytest.mark.django_db
def test_a_row_with_nul_is_kept_as_it_is() -> None:
    dataset = make_dataset(row={"text": "before\0after"})
    assert as_rehearsed(telling_rows(dataset))[0]["row"] == {"text": "before\0after"}
