"""Rows to token ids and labels, in batches: whole, before anything is cut.

Follows TRL 1.16, `SFTTrainer._prepare_dataset` and `DPOTrainer._prepare_dataset`; tests hold it to them row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from transformers import PreTrainedTokenizerBase
from trl.data_utils import common_prefix_length, extract_prompt

from .answers import Inexact, Way, with_answers
from .encoding import Encoded, encode
from .plan import Plan
from .rendering import Refused, Spans, Writer, tools_of

IGNORED = -100
"""The label of a token that is not learnt from."""
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """A row of SFT. `learnt` says for each token whether it is; None: all are."""

    ids: list[int]
    learnt: list[bool] | None = None

    @property
    def labels(self) -> list[int]:
        if self.learnt is None:
            return self.ids
        return [token if learnt else IGNORED for token, learnt in zip(self.ids, self.learnt, strict=True)]


@dataclass(frozen=True, slots=True)
class Pair:
    """A row of DPO: the prompt as far as both texts share it, and the two answers."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]


@dataclass(frozen=True, slots=True)
class Failed:
    """A row of which nothing can be made. `inexact`: only because its answers cannot be told exactly."""

    words: str
    inexact: bool = False


Prepared = Example | Pair | Failed


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A text to be encoded, its beginning that is not learnt, and what of it is."""

    text: str
    prompt: str | None = None
    spans: Spans | None = None


def prepare(tokenizer: PreTrainedTokenizerBase, plan: Plan, rows: Sequence[Row], way: Way | None) -> list[Prepared]:
    """One batch of rows. `way` says how answers are found; None: all turns are learnt."""
    return _pairs(tokenizer, plan, rows) if plan.dpo else _examples(tokenizer, plan, rows, way)


# SFT


def _examples(tokenizer: PreTrainedTokenizerBase, plan: Plan, rows: Sequence[Row], way: Way | None) -> list[Prepared]:
    read = _reader(tokenizer, plan, way)
    wanted = [_attempt(read, row) for row in rows]
    there = [each for each in wanted if not isinstance(each, Failed)]
    special = not plan.conversational
    encoded = iter(encode(tokenizer, [each.text for each in there], special=special, places=way is not None))
    prompts = iter(encode(tokenizer, [each.prompt for each in there if each.prompt is not None], special=special))
    return [
        each if isinstance(each, Failed) else _example(tokenizer, plan, each, next(encoded), prompts) for each in wanted
    ]


def _attempt(read: Callable[[Row], Any], example: Row) -> Any:
    """The row is called as TRL calls it: whoever asks an error where it happened looks for that name."""
    try:
        return read(example)
    except Refused as refused:
        return Failed(str(refused))
    except Inexact as inexact:
        return Failed(str(inexact), inexact=True)


def _reader(tokenizer: PreTrainedTokenizerBase, plan: Plan, way: Way | None) -> Callable[[Row], _Wanted]:
    end = str(tokenizer.eos_token or "")
    answer = "completion" if plan.format == "prompt_completion" else "messages"
    writer = Writer(tokenizer, way.template if way else None)

    def conversation(row: Row) -> _Wanted:
        asked, tools = row.get("prompt") or [], tools_of(row)
        messages = [*asked, *row[answer]]
        prompt = writer.text(asked, tools, waits=True) if asked else None
        if way is None:
            return _Wanted(writer.text(messages, tools, waits=False), prompt)
        text, spans = with_answers(writer, way, messages, tools)
        return _Wanted(text, prompt, spans)

    def text(row: Row) -> _Wanted:
        return _Wanted(ended(row["text"], end))

    def completion(row: Row) -> _Wanted:
        return _Wanted(row["prompt"] + ended(row["completion"], end), row["prompt"])

    if plan.conversational:
        return conversation
    return completion if plan.format == "prompt_completion" else text


def ended(text: str, end: str) -> str:
    """Plain texts are given the token that ends a text."""
    return text if text.endswith(end) else text + end


def _example(
    tokenizer: PreTrainedTokenizerBase, plan: Plan, wanted: _Wanted, whole: Encoded, prompts: Iterator[Encoded]
) -> Prepared:
    ids, learnt = whole.ids, None
    if wanted.spans is not None:
        if whole.places is None:
            return Failed("its tokenizer does not say where in the text a token stands", inexact=True)
        learnt = whole.learnt(wanted.spans, len(wanted.text), partial(_ids_up_to, tokenizer, wanted.text))
    if wanted.prompt is not None:
        asked = common_prefix_length(next(prompts).ids, ids)
        if plan.masks_prompts:
            learnt = [False] * asked + ([True] * (len(ids) - asked) if learnt is None else learnt[asked:])
    return Example(ids, learnt)


def _ids_up_to(tokenizer: PreTrainedTokenizerBase, text: str, end: int) -> list[int]:
    return encode(tokenizer, [text[:end]], special=False)[0].ids


# DPO


def _pairs(tokenizer: PreTrainedTokenizerBase, plan: Plan, rows: Sequence[Row]) -> list[Prepared]:
    read = _pair_reader(tokenizer, plan)
    texts = [_attempt(read, row) for row in rows]
    there = [each for each in texts if not isinstance(each, Failed)]
    encoded = iter(encode(tokenizer, [text for each in there for text in each], special=not plan.conversational))
    return [
        each if isinstance(each, Failed) else _pair(next(encoded).ids, next(encoded).ids, next(encoded).ids)
        for each in texts
    ]


def _pair_reader(tokenizer: PreTrainedTokenizerBase, plan: Plan) -> Callable[[Row], tuple[str, str, str]]:
    end, writer = str(tokenizer.eos_token or ""), Writer(tokenizer)

    def sides(row: Row) -> Row:
        return row if row.get("prompt") is not None else {**row, **extract_prompt(dict(row))}

    def conversation(row: Row) -> tuple[str, str, str]:
        row, tools = sides(row), tools_of(row)
        prompt = row["prompt"]
        return (
            writer.text(prompt, tools, waits=True),
            writer.text(prompt + row["chosen"], tools, waits=False),
            writer.text(prompt + row["rejected"], tools, waits=False),
        )

    def text(row: Row) -> tuple[str, str, str]:
        row = sides(row)
        prompt = row["prompt"]
        return prompt, prompt + ended(row["chosen"], end), prompt + ended(row["rejected"], end)

    return conversation if plan.conversational else text


def _pair(prompt: list[int], chosen: list[int], rejected: list[int]) -> Pair:
    """The answers begin where one of the texts leaves the prompt, which is not always its end."""
    shared = min(common_prefix_length(prompt, chosen), common_prefix_length(prompt, rejected))
    return Pair(prompt[:shared], chosen[shared:], rejected[shared:])
