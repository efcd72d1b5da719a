"""Texts to token ids, many at a time, as one call of the tokenizer for each would have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast
from trl.data_utils import common_prefix_length

from .rendering import Spans


@dataclass(frozen=True)
class Encoded:
    ids: list[int]
    source: Any = None
    """The tokenizing library's own encoding, where characters have to be found again."""

    def learnt(self, spans: Spans, length: int, ids_up_to: Callable[[int], list[int]]) -> list[bool]:
        """For each token whether it holds a character of one of the spans of a text of this length.

        `ids_up_to` encodes the text up to a character: asked where offsets alone do not tell.
        """
        mask = [False] * len(self.ids)
        for start, end in spans:
            first = self._first_token(start, ids_up_to)
            last = len(mask) if end >= length else self._token_after(end, ids_up_to)
            mask[first:last] = [True] * max(0, last - first)
        return mask

    def _first_token(self, character: int, ids_up_to: Callable[[int], list[int]]) -> int:
        """The first token that holds a character from this one on.

        Some tokenizers leave blanks out of their offsets; then the text before the character is encoded by itself, as
        TRL finds the beginning of a completion.
        """
        token = self.source.char_to_token(character)
        return common_prefix_length(ids_up_to(character), self.ids) if token is None else int(token)

    def _token_after(self, character: int, ids_up_to: Callable[[int], list[int]]) -> int:
        """The number of tokens up to the last that holds a character before this one."""
        token = self.source.char_to_token(character)
        if token is not None:
            begins: int = self.source.token_to_chars(token)[0]
            return int(token) + (begins < character)
        alone = ids_up_to(character)
        shared = common_prefix_length(alone, self.ids)
        return shared + (shared < len(alone))


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
        backend = tokenizer.backend_tokenizer
        batch = backend.encode_batch if places else backend.encode_batch_fast
        return [Encoded(one.ids, one if places else None) for one in batch(list(texts), add_special_tokens=special)]
    return [_encoded(tokenizer, text, special, places) for text in texts]


def _is_plain(tokenizer: PreTrainedTokenizerBase) -> bool:
    kind, plain = type(tokenizer), PreTrainedTokenizerFast
    return kind.__call__ is plain.__call__ and kind._encode_plus is plain._encode_plus


def _encoded(tokenizer: PreTrainedTokenizerBase, text: str, special: bool, places: bool) -> Encoded:
    made = tokenizer(text, add_special_tokens=special)
    return Encoded(list(made["input_ids"]), made.encodings[0] if places and made.encodings else None)
