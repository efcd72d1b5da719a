"""One row as the model sees it: every token, whether it is learnt and whether it is cut off. A warm task."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from .account import tokenizer_of
from .answers import way_of
from .plan import Plan
from .prepare import Example, Failed, Prepared, prepare

MOST_TOKENS = 6_000
"""So many are listed of a sequence; all are counted."""
LONGEST_CHARACTER = 4
"""Bytes of one character in UTF-8, and so the most tokens that one may be spread over."""


def show(model_folder: str, row: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    """`sequences` of `name`, `count` and `tokens`; or in `problem` why there are none.

    A token has `id`, `text` (empty while its character goes on), `special`, `learnt` and `cut`. A pair has two
    sequences, which begin with the same prompt.
    """
    tokenizer, asked = tokenizer_of(Path(model_folder)), Plan(**plan)
    way = way_of(tokenizer) if asked.looks_for_answers else None
    made = prepare(tokenizer, asked, [row], way)[0]
    if isinstance(made, Failed):
        return {"problem": made.words, "sequences": []}
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    sequences = [
        {"name": name, "count": len(ids), "tokens": _tokens(tokenizer, special, asked, ids, learnt)}
        for name, ids, learnt in _sequences(made)
    ]
    return {"problem": "", "sequences": sequences}


def _sequences(made: Prepared) -> list[tuple[str, list[int], Sequence[bool]]]:
    if isinstance(made, Example):
        return [("", made.ids, made.learnt or [True] * len(made.ids))]
    assert not isinstance(made, Failed)  # noqa: S101 - told before
    asked = len(made.prompt)
    return [
        (name, made.prompt + answer, list(chain(repeat(False, asked), repeat(True, len(answer)))))
        for name, answer in (("chosen", made.chosen), ("rejected", made.rejected))
    ]


def _tokens(
    tokenizer: PreTrainedTokenizerBase, special: set[int], plan: Plan, ids: list[int], learnt: Sequence[bool]
) -> list[dict[str, Any]]:
    listed = ids[:MOST_TOKENS]
    return [
        {"id": number, "text": text, "special": number in special, "learnt": trained, "cut": place >= plan.max_length}
        for place, (number, text, trained) in enumerate(
            zip(listed, texts_of(tokenizer, listed), learnt[:MOST_TOKENS], strict=True)
        )
    ]


def texts_of(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> list[str]:
    """The text of each token. A character that several tokens make up is given to the last of them."""
    texts: list[str] = []
    begun: list[int] = []
    for number in ids:
        begun.append(number)
        text = _decoded(tokenizer, begun)
        whole = "\N{REPLACEMENT CHARACTER}" not in text or len(begun) == LONGEST_CHARACTER
        texts.append(text if whole else "")
        begun = [] if whole else begun
    return texts


def _decoded(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    """A tokenizer that writes blanks as ▁ leaves the first one out when it decodes."""
    text: Any = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    first = str(tokenizer.convert_ids_to_tokens(ids[0]))
    return f" {text}" if first.startswith("▁") and not text.startswith(" ") else str(text)
