"""Tokens are found by their lengths where the tokenizing library would have found them by its places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, normalizers, processors
from transformers import AutoTokenizer

from jobs.preparation.encoding import encode
from jobs.preparation.places import BytePlaces, LibraryPlaces, lengths_of

from .small import ANSWERS, QUESTIONS

TEXTS = (
    *QUESTIONS,
    *ANSWERS,
    "<|im_start|>user\nHi  there, née \N{FAMILY} e\u0301 <|im_end|>\n\n <think>\n\n</think> ",
)


def loaded(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("trims", [True, False])
def test_every_character_is_found_in_the_token_that_the_library_finds(chatml: Path, trims: bool) -> None:
    tokenizer = loaded(chatml)
    backend = tokenizer.backend_tokenizer
    backend.post_processor = processors.ByteLevel(trim_offsets=trims)
    lengths, compared = lengths_of(tokenizer), 0
    assert lengths is not None
    for text in TEXTS:
        encoding = backend.encode(text, add_special_tokens=False)
        theirs, ours = LibraryPlaces(encoding), lengths.places(text, encoding.ids)
        assert ours is not None
        for character in range(len(text) + 1):
            token = theirs.token_at(character)
            assert ours.token_at(character) == token, (text, character)
            if token is not None:
                assert ours.beginning_of(token) == theirs.beginning_of(token), (text, character)
                compared += 1
    assert compared > 200


def test_a_text_that_the_tokenizer_changes_is_left_to_the_library(chatml: Path) -> None:
    tokenizer = loaded(chatml)
    tokenizer.backend_tokenizer.normalizer = normalizers.NFC()
    plain, accents = encode(tokenizer, ["Hello", "e\u0301"], special=False, places=True)
    assert isinstance(plain.places, BytePlaces)
    assert isinstance(accents.places, LibraryPlaces)


def test_a_text_of_which_tokens_leave_something_out_is_left_to_the_library(chatml: Path) -> None:
    tokenizer = loaded(chatml)
    tokenizer.add_tokens([AddedToken("<cut>", rstrip=True)])
    whole, cut = encode(tokenizer, ["a <cut>b", "a <cut>  b"], special=False, places=True)
    assert isinstance(whole.places, BytePlaces)
    assert isinstance(cut.places, LibraryPlaces)


def test_tokenizers_that_may_change_any_text_are_left_to_the_library(chatml: Path) -> None:
    tokenizer = loaded(chatml)
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    assert isinstance(encode(tokenizer, ["Hello"], special=False, places=True)[0].places, LibraryPlaces)
