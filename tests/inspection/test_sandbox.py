"""Other people's programs can neither hang, nor eat the memory, nor take us with them."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import psutil
import pytest

from models_catalog.inspection import sandbox
from models_catalog.inspection.sandbox import Result, run


def endless() -> None:
    while True:
        pass


def endless_in_c() -> int:
    return 10**10**9  # one call, in which no signal handler of Python's runs


def recursive() -> Any:
    return recursive()


def broken() -> None:
    raise ValueError("no such thing")


STOPPED = {
    "time": endless,
    "memory": lambda: len("a" * 10**9),
    "length": lambda: "a" * 10**7,
    "crash": lambda: os.kill(os.getpid(), signal.SIGKILL),
}


@pytest.mark.parametrize(("how", "piece"), STOPPED.items(), ids=STOPPED)
def test_what_overruns_is_stopped_and_the_others_are_done(how: str, piece: Any) -> None:
    before, stopped, after = run([lambda: 1, piece, lambda: 2], seconds=0.2)
    assert (before.value, stopped.stopped, after.value) == (1, how, 2)


def test_one_long_call_in_c_is_stopped() -> None:
    began = time.monotonic()
    assert run([endless_in_c], seconds=0.2)[0].stopped in ("time", "memory")
    assert time.monotonic() - began < 0.2 * sandbox.PATIENCE + 1


def test_errors_are_told_with_their_words() -> None:
    assert run([broken]) == [Result(error="ValueError", words="no such thing")]
    assert run([recursive])[0].error == "RecursionError"


def test_after_two_that_overran_the_rest_is_not_tried() -> None:
    assert [each.stopped for each in run([endless] * 3 + [lambda: 1], seconds=0.1)] == ["time", "time"] + [
        "untried"
    ] * 2


def test_what_a_piece_changes_is_lost() -> None:
    kept: list[int] = []
    assert run([lambda: kept.append(1), lambda: len(kept)])[1].value == 1
    assert kept == []


def test_no_child_is_left_behind() -> None:
    before = psutil.Process().children()
    run([endless], seconds=0.1)
    assert psutil.Process().children() == before


def test_many_pieces_are_done_in_one_child() -> None:
    assert len({result.value for result in run([os.getpid] * 50)}) == 1
