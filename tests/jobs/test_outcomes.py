"""What is told of a trainer that said nothing about its own end."""

from __future__ import annotations

import pytest

from jobs.outcomes import died


@pytest.mark.parametrize(
    ("exit_code", "code"),
    [
        (None, "run.machine-stopped"),
        (-9, "run.killed"),
        (143, "run.killed"),
        (0, "run.ended-silently"),
        (2, "run.ended-silently"),
    ],
)
def test_the_way_it_died_names_the_finding(exit_code: int | None, code: str) -> None:
    assert died(exit_code).code == code


def test_the_signal_that_ended_it_is_named() -> None:
    assert "SIGKILL" in died(-9).message
    assert "SIGTERM" in died(143).message


def test_the_exit_code_is_named_when_there_was_no_signal() -> None:
    assert "code 2" in died(2).message
