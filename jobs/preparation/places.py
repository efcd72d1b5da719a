"""Which token of a text holds a character, and where a token begins.

The tokenizing library tells, but noting every place takes it a tenth to a third longer. A tokenizer of bytes cuts its
text into tokens without leaving anything out, so their lengths alone tell the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, Protocol

from tokenizers import Encoding
from transformers import PreTrainedTokenizerFast

_KEEPS_ASCII = ("NFC", "NFD", "NFKC", "NFKD")
"""Normalizers that leave plain English as it is."""


class Places(Protocol):
    def token_at(self, character: int) -> int | None:
        """None where no token admits to it: some tokenizers leave blanks out of their places."""

    def beginning_of(self, token: int) -> int:
        """The number of its first character."""


class LibraryPlaces:
    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding

    def token_at(self, character: int) -> int | None:
        token: int | None = self._encoding.char_to_token(character)
        return token

    def beginning_of(self, token: int) -> int:
        span = self._encoding.token_to_chars(token)
        return span[0] if span else 0


class BytePlaces:
    """From the bytes that each token stands for; `ends` are the sums of their lengths."""

    def __init__(self, text: str, ends: list[int], leaves_out_blanks: bool) -> None:
        self._text, self._ends, self._leaves_out_blanks = text, ends, leaves_out_blanks

    def token_at(self, character: int) -> int | None:
        if character >= len(self._text) or (character and self._leaves_out_blanks and self._text[character] == " "):
            return None
        return bisect_right(self._ends, self._bytes(character))

    def beginning_of(self, token: int) -> int:
        if not token:
            return 0
        begins = self._character(self._ends[token - 1])
        if self._leaves_out_blanks:
            end = self._character(self._ends[token])
            while begins < end and self._text[begins] == " ":
                begins += 1
        return begins

    def _bytes(self, character: int) -> int:
        return character if self._text.isascii() else len(self._text[:character].encode())

    def _character(self, byte: int) -> int:
        """The one that holds the byte."""
        return byte if self._text.isascii() else len(self._text.encode()[:byte].decode(errors="ignore"))


class Lengths(dict[int, int]):
    """How many bytes a token stands for, by its number; found out when it is first met."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        backend = tokenizer.backend_tokenizer
        self._name: Callable[[int], str | None] = backend.id_to_token
        self._added = {number: len(str(token).encode()) for number, token in tokenizer.added_tokens_decoder.items()}
        self._is_whole = backend.normalizer is None
        self._leaves_out_blanks = backend.encode("a b", add_special_tokens=False).char_to_token(1) is None

    def __missing__(self, number: int) -> int:
        """In its vocabulary a tokenizer of bytes writes each of them as one character."""
        length = self[number] = self._added.get(number) or len(self._name(number) or "")
        return length

    def places(self, text: str, ids: Sequence[int]) -> BytePlaces | None:
        """None where these tokens do not stand for exactly this text."""
        if not self._is_whole and not text.isascii():
            return None
        ends = list(accumulate(map(self.__getitem__, ids)))
        size = len(text) if text.isascii() else len(text.encode())
        return BytePlaces(text, ends, self._leaves_out_blanks) if ends and ends[-1] == size else None


@lru_cache(maxsize=2)
def lengths_of(tokenizer: PreTrainedTokenizerFast) -> Lengths | None:
    """None for tokenizers that are not of bytes, or that may change what they read."""
    backend: Any = tokenizer.backend_tokenizer
    of_bytes = type(backend.model).__name__ == "BPE" and type(backend.decoder).__name__ == "ByteLevel"
    kept = backend.normalizer is None or type(backend.normalizer).__name__ in _KEEPS_ASCII
    return Lengths(tokenizer) if of_bytes and kept else None
