"""Rows in the two steps: which of them, and how few of their tokens are learnt where the vocabulary is large."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.rehearsal import onlooker
from jobs.rehearsal.document import Document
from jobs.rehearsal.rehearse import on_the_processor
from jobs.rehearsal.rows import choose_for_steps, lighten
from jobs.trainer.checks import IGNORED
from jobs.trainer.run_file import RunFile
from tests.rehearsal.holding import evidence, hold, proved, run_of

SFT = RunFile(**run_of("messages"))
DPO = RunFile(**run_of("preference", training__method="dpo"))


def of_length(length: int) -> dict[str, Any]:
    return {"input_ids": list(range(length)), "labels": list(range(length))}


def learnt(row: Any) -> list[int]:
    return [token for token in row["labels"] if token != IGNORED]


def test_the_longest_and_the_shortest_come_first_and_what_is_too_long_for_a_step_is_left_out() -> None:
    rows = [of_length(length) for length in (5, 60, 9, 30, 2)]
    assert [len(row["labels"]) for row in choose_for_steps(SFT, rows, 3, room=40)] == [30, 2, 9]
    assert [len(row["labels"]) for row in choose_for_steps(SFT, rows, 3, room=1)] == [2]


def test_a_light_row_keeps_its_length_and_its_last_token_and_learns_from_all_over_it() -> None:
    row = {"input_ids": list(range(20)), "labels": [IGNORED] * 4 + list(range(4, 20)), "seq_lengths": [20]}
    light = lighten(SFT, row, 4)
    assert learnt(light) == [7, 11, 15, 19]
    assert len(light["labels"]) == 20
    assert {name: light[name] for name in ("input_ids", "seq_lengths")} == {
        "input_ids": row["input_ids"],
        "seq_lengths": [20],
    }


@pytest.mark.parametrize("most", range(1, 30))
def test_never_more_tokens_than_allowed_and_never_none(most: int) -> None:
    assert 1 <= len(learnt(lighten(SFT, of_length(23), most))) <= most


def test_a_row_that_teaches_nothing_stays_one() -> None:
    row = {"input_ids": [1, 2], "labels": [IGNORED, IGNORED]}
    assert lighten(SFT, row, 5) == row


def test_answers_of_a_pair_are_shortened_unless_they_would_be_the_same() -> None:
    row = {"prompt_ids": [1], "chosen_ids": [2, 3, 4, 5], "rejected_ids": [2, 3, 9]}
    assert lighten(DPO, row, 3) == {"prompt_ids": [1], "chosen_ids": [2, 3, 4], "rejected_ids": [2, 3, 9]}
    assert lighten(DPO, row, 2) == row


def test_what_is_told_of_the_rows_is_told_of_the_whole_ones(
    chat_llama: Path, held: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onlooker, "MOST_LOGITS", 1)
    light = hold(chat_llama)
    assert (light["state"], proved(light), light["rows"]) == ("passed", proved(held), held["rows"])
    assert all(row["trained_tokens"] > 5 for row in light["rows"])
    for code in ("tokenises", "end-trained", "targets-trained"):
        assert evidence(light, code) == evidence(held, code)
    assert evidence(light, "finite-loss") != evidence(held, "finite-loss")


@pytest.mark.slow
def test_a_light_pair_passes_every_proof_too(chat_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = hold(chat_llama, "preference", training__method="dpo")
    monkeypatch.setattr(onlooker, "MOST_LOGITS", 1)
    light = hold(chat_llama, "preference", training__method="dpo")
    assert (light["state"], proved(light), light["rows"]) == ("passed", proved(whole), whole["rows"])


def test_the_processor_gets_its_threads_back() -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with on_the_processor():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
