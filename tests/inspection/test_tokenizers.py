"""What a tokenizer says of itself, in every state that its special tokens can be in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.rulebook.vocabulary import FACTS, Source
from models_catalog.inspection.part import Part
from models_catalog.inspection.tokenizer import MOST_NAMED, look_at_tokenizer

from .small_tokenizers import make_tokenizer


@pytest.fixture
def look(tmp_path: Path) -> Any:
    def look_at(**options: Any) -> Part:
        return look_at_tokenizer(make_tokenizer(tmp_path, **options))

    return look_at


def test_an_ordinary_tokenizer_has_nothing_odd(look: Any) -> None:
    part = look()
    assert part.problems == []
    assert part.facts == {
        "tokenizer_problem": "", "tokenizer_size": 261, "end_token": "</s>", "tokens_beyond": [],
        "text_tokens_beyond": [],
    }  # fmt: skip
    assert {FACTS[name].source for name in part.facts} == {Source.MODEL}


@pytest.mark.parametrize(
    ("tokens", "generation", "end"),
    [
        ({}, None, "</s>"),
        ({"pad_token": None}, None, "</s>"),
        ({"pad_token": "</s>"}, None, "</s>"),
        ({"eos_token": None}, None, ""),
        ({"eos_token": None}, {"eos_token_id": 4}, "<|im_end|>"),
        ({"eos_token": None}, {"eos_token_id": [2, 4]}, "</s>"),
        ({"eos_token": None}, {"eos_token_id": 9999}, ""),
        ({"eos_token": None, "pad_token": None, "bos_token": None}, None, ""),
    ],
)
def test_the_token_that_ends_a_text(look: Any, tokens: Any, generation: Any, end: str) -> None:
    assert look(generation=generation, **tokens).facts["end_token"] == end


def test_the_end_is_taken_from_config_json_where_there_is_no_generation_config(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path, eos_token=None)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "eos_token_id": 2}))
    assert look_at_tokenizer(folder).facts["end_token"] == "</s>"


def test_tokens_beyond_the_embedding_are_named(look: Any) -> None:
    facts = look(rows=3).facts
    assert facts["tokens_beyond"][:2] == ["<|im_start|>", "<|im_end|>"]  # the special ones first
    assert len(facts["tokens_beyond"]) == MOST_NAMED
    assert facts["text_tokens_beyond"] == []


def test_those_around_every_text_are_named_apart(look: Any) -> None:
    assert look(rows=1, starts=True).facts["text_tokens_beyond"] == ["</s>", "<s>"]


def test_a_padding_token_that_was_added_later_lies_beyond(look: Any) -> None:
    part = look(rows=261, pad_token="[PAD]")
    assert part.facts["tokens_beyond"] == ["[PAD]"]
    assert part.shown["beyond_count"] == 1
    assert part.facts["text_tokens_beyond"] == []


def test_what_is_put_before_every_text_is_shown(look: Any) -> None:
    assert look(starts=True).shown["before_text"] == ["<s>"]
    assert look().shown["before_text"] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [("{}", "lack"), ('{"a"', "Expecting"), ("[]", ""), ("", ""), ('{"version": "1.0", "model": {}}', "")],
)
def test_a_tokenizer_that_cannot_be_loaded_says_why(tmp_path: Path, content: str, said: str) -> None:
    folder = make_tokenizer(tmp_path)
    (folder / "tokenizer.json").write_text(content)
    part = look_at_tokenizer(folder)
    assert said in part.facts["tokenizer_problem"]
    assert part.facts["tokenizer_problem"]
    assert part.problems[0]["code"] == "tokenizer-unreadable"


def test_code_that_comes_with_a_tokenizer_is_never_run(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path)
    (folder / "tokenization_own.py").write_text("raise SystemExit('it ran')")
    config = {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": ["tokenization_own.OwnTokenizer", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert "which Foretune never runs" in look_at_tokenizer(folder).facts["tokenizer_problem"]
