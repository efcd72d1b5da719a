"""Which characters of a conversation the assistant wrote: exactly, or not at all.

Three ways, the first that leads to the end of a turn: the template's own generation tags, the template that TRL has
for training in its place, and our own, which renders the conversation up to each answer and holds it against the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from transformers import PreTrainedTokenizerBase
from trl.chat_template_utils import (
    get_training_chat_template,
    has_generation_markers,
    is_chat_template_stop_token_trained,
)

from .rendering import Messages, Refused, Spans, Writer

ASSISTANT = "assistant"


class Inexact(Exception):
    """It cannot be told exactly what the assistant wrote; the text says why."""


@dataclass(frozen=True)
class Way:
    """How the answers are found: `tags`, `patch` or `prefixes`. `template` is TRL's, where that is rendered."""

    how: str
    template: str | None = None

    @property
    def words(self) -> str:
        return {
            "tags": "the chat template marks them itself",
            "patch": "TRL's training template for this model marks them",
            "prefixes": "they are found by rendering each row up to every answer",
        }[self.how]


def way_of(tokenizer: PreTrainedTokenizerBase) -> Way:
    """A template whose tags leave out the end of a turn would teach the model never to stop; ours does not."""
    if has_generation_markers(_default(tokenizer)):
        return Way("tags") if is_chat_template_stop_token_trained(tokenizer) else Way("prefixes")
    try:
        patched = get_training_chat_template(tokenizer)
    except Exception:  # TRL knows none for this template, or its look at the template met one that it refuses
        return Way("prefixes")
    if patched and is_chat_template_stop_token_trained(tokenizer, chat_template=patched):
        return Way("patch", patched)
    return Way("prefixes")


def _default(tokenizer: PreTrainedTokenizerBase) -> Any:
    template: Any = tokenizer.chat_template
    return template.get("default", "") if isinstance(template, dict) else template or ""


def with_answers(writer: Writer, way: Way, messages: Messages, tools: Any) -> tuple[str, Spans]:
    """The text of a conversation and where its answers stand in it. Raises `Refused` or `Inexact`.

    `writer` has the template of the way.
    """
    turns = [number for number, turn in enumerate(messages) if turn.get("role") == ASSISTANT]
    if way.how == "prefixes":
        return _by_prefixes(writer, messages, tools, [turn for turn in turns if learns(messages[turn])])
    text, spans = writer.with_tags(messages, tools)
    if all(learns(messages[turn]) for turn in turns):
        return text, spans
    if len(spans) != len(turns):
        raise Inexact("the template's tags do not tell its answers apart, so none of them can be left out")
    return text, [span for span, turn in zip(spans, turns, strict=True) if learns(messages[turn])]


def learns(turn: dict[str, Any]) -> bool:
    """A `weight` of 0 takes a turn out of what is learnt, as in OpenAI's format."""
    weight = turn.get("weight")
    return weight is None or bool(weight)


def _by_prefixes(writer: Writer, messages: Messages, tools: Any, turns: list[int]) -> tuple[str, Spans]:
    """An answer is what stands between the prompt that asks for it and the end of its turn."""
    whole = writer.text(messages, tools, waits=False)
    spans = []
    for turn in turns:
        start = _shared(writer, messages[:turn], tools, whole, waits=True)
        last = turn == len(messages) - 1
        end = len(whole) if last else _shared(writer, messages[: turn + 1], tools, whole, waits=False)
        if end <= start:
            raise Inexact("the template leaves an answer out")
        spans.append((start, _without_blanks(writer.tokenizer, whole, start, end)))
    return whole, spans


def _shared(writer: Writer, begun: Messages, tools: Any, whole: str, *, waits: bool) -> int:
    """The length of a beginning of the conversation, which the whole must begin with."""
    if not begun and not waits:
        return 0
    try:
        text = writer.text(begun, tools, waits=waits)
    except Refused as refused:
        raise Inexact("the template does not render the conversation up to an answer") from refused
    if not whole.startswith(text):
        raise Inexact("the template writes turns otherwise once others follow them")
    return len(text)


def _without_blanks(tokenizer: PreTrainedTokenizerBase, whole: str, start: int, end: int) -> int:
    """A line break behind the token that ends a turn is never written by the model, which has stopped by then."""
    bare = start + len(whole[start:end].rstrip())
    if bare == end:
        return end
    return bare if whole.endswith(_added_tokens(tokenizer), start, bare) else end


@lru_cache(maxsize=4)
def _added_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    return tuple(str(token) for token in tokenizer.added_tokens_decoder.values() if str(token))
