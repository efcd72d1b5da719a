"""Texts to token ids, many at a time, as one call of the tokenizer for each would have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast
from trl.data_utils import common_prefix_length

from .places import LibraryPlaces, Places, lengths_of
from .rendering import Spans


@dataclass(frozen=True)
class Encoded:
    ids: list[int]
    places: Places | None = None
    """Where characters have to be found again, and the tokenizer can tell."""

    def learnt(self, spans: Spans, length: int, ids_up_to: Callable[[int], list[int]]) -> list[bool]:
        """For each token whether it holds a character of one of the spans of a text of this length.

        `ids_up_to` encodes the text up to a character: asked where places alone do not tell.
        """
        mask = [False] * len(self.ids)
        for start, end in spans:
            first = self._first_token(start, ids_up_to)
            last = len(mask) if end >= length else self._token_after(end, ids_up_to)
            mask[first:last] = [True] * max(0, last - first)
        return mask

    def _first_token(self, character: int, ids_up_to: Callable[[int], list[int]]) -> int:
        """The first token that holds a character from this one on.

        Where no token admits to it the text before the character is encoded by itself, as TRL finds the beginning of
        a completion.
        """
        token = self._told.token_at(character)
        return common_prefix_length(ids_up_to(character), self.ids) if token is None else token

    def _token_after(self, character: int, ids_up_to: Callable[[int], list[int]]) -> int:
        """The number of tokens up to the last that holds a character before this one."""
        token = self._told.token_at(character)
        if token is not None:
            return token + (self._told.beginning_of(token) < character)
        alone = ids_up_to(character)
        shared = common_prefix_length(alone, self.ids)
        return shared + (shared < len(alone))

    @property
    def _told(self) -> Places:
        assert self.places is not None  # noqa: S101 - whoever looks for spans has asked for places
        return self.places


def encode(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, special: bool, places: bool = False
) -> list[Encoded]:
    """`special`: with the tokens that the tokenizer puts around a text; `places`: characters can be found again.

    The library is called directly where the tokenizer adds nothing of its own to it: a batch then takes two thirds.
    """
    if not texts:
        return []
    if isinstance(tokenizer, PreTrainedTokenizerFast) and _is_plain(tokenizer):
        tokenizer("x")  # lets go of a cut or padding that its file may ask for
        return _with_places(tokenizer, texts, special) if places else _ids(tokenizer, texts, special)
    return [_encoded(tokenizer, text, special, places) for text in texts]


def _ids(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], special: bool) -> list[Encoded]:
    made = tokenizer.backend_tokenizer.encode_batch_fast(list(texts), add_special_tokens=special)
    return [Encoded(one.ids) for one in made]


def _with_places(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], special: bool) -> list[Encoded]:
    """By the tokens' lengths where those tell, else by the library."""
    lengths = lengths_of(tokenizer)
    if lengths is None:
        return _by_library(tokenizer, texts, special)
    made = [
        Encoded(one.ids, lengths.places(text, one.ids))
        for text, one in zip(texts, _ids(tokenizer, texts, special), strict=True)
    ]
    again = iter(
        _by_library(tokenizer, [text for text, one in zip(texts, made, strict=True) if one.places is None], special)
    )
    return [next(again) if one.places is None else one for one in made]


def _by_library(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], special: bool) -> list[Encoded]:
    made = tokenizer.backend_tokenizer.encode_batch(list(texts), add_special_tokens=special)
    return [Encoded(one.ids, LibraryPlaces(one)) for one in made]


def _is_plain(tokenizer: PreTrainedTokenizerBase) -> bool:
    kind, plain = type(tokenizer), PreTrainedTokenizerFast
    return kind.__call__ is plain.__call__ and kind._encode_plus is plain._encode_plus


def _encoded(tokenizer: PreTrainedTokenizerBase, text: str, special: bool, places: bool) -> Encoded:
    made = tokenizer(text, add_special_tokens=special)
    found = LibraryPlaces(made.encodings[0]) if places and made.encodings else None
    return Encoded(list(made["input_ids"]), found)
