"""The demo's data: our own, varied, and silent about the question that is asked in the end."""

from __future__ import annotations

import json
from pathlib import Path

from jobs.demo.sample import GREETING, PROMPT, ROWS, SIGNATURE, sample_rows, write_sample
from jobs.demo.spec import DEMO_SPEC
from jobs.rulebook import check, read


def test_the_same_seed_gives_the_same_rows() -> None:
    assert list(sample_rows()) == list(sample_rows())
    assert list(sample_rows()) != list(sample_rows(seed=8))


def test_no_question_is_asked_twice() -> None:
    questions = {row["messages"][0]["content"] for row in sample_rows()}
    assert len(questions) == ROWS


def test_every_answer_is_unmistakably_the_keepers() -> None:
    answers = [row["messages"][1]["content"] for row in sample_rows()]
    assert all(answer.startswith(GREETING) and answer.endswith(SIGNATURE) for answer in answers)
    assert len(set(answers)) > 100


def test_nothing_in_the_sample_gives_the_last_question_away(tmp_path: Path) -> None:
    text = write_sample(tmp_path / "sample.jsonl").read_text().lower()
    assert "sleep" in PROMPT
    assert "sleep" not in text
    assert len([json.loads(line) for line in text.splitlines()]) == ROWS


def test_the_rulebook_finds_nothing_to_warn_about_in_the_demo() -> None:
    facts = read(DEMO_SPEC).changed({"data.dataset": "1"}).facts()
    assert not check(facts).findings
