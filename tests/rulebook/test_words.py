"""How numbers and lists of names are worded."""

from __future__ import annotations

import pytest

from jobs.rulebook.words import count, magnitude, names, number


@pytest.mark.parametrize(
    ("amount", "text"), [(8_030_000_000, "8.03 B"), (134_515_008, "135 M"), (1_500, "1.5 k"), (12, "12")]
)
def test_parameters_are_told_as_model_cards_tell_them(amount: int, text: str) -> None:
    assert magnitude(amount) == text


def test_one_thing_is_no_plural() -> None:
    assert (count(1, "row"), count(812, "row"), count(0, "row")) == ("1 row", "812 rows", "0 rows")


def test_many_names_are_counted_and_long_ones_cut() -> None:
    assert names(["q_proj", "k_proj", "v_proj"]) == "q_proj, k_proj and v_proj"
    assert names([str(each) for each in range(20)], limit=2) == "0, 1 and 18 more"
    assert names(["x" * 100]) == "x" * 80 + "…"
    assert names([]) == ""


def test_a_number_has_no_needless_digits() -> None:
    assert [number(value) for value in (0.0002, 1e-05, 1000, 3.0)] == ["0.0002", "1e-05", "1000", "3"]
