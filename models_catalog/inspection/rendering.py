"""One conversation through a model's chat template, for the playground: exact text and tokens, or what is refused."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase
from trl.chat_template_utils import get_training_chat_template, has_generation_markers

from . import sandbox
from .sandbox import Result
from .templates import common_length, failure
from .tokenizer import CannotLoad, load_tokenizer

MOST_TOKENS = 8_000
"""So many are listed; all are counted."""
MOST_TURNS = 64
"""Of longer conversations it is not told which token belongs to which turn: each turn is a rendering of its own."""

Message = dict[str, Any]
Tools = list[dict[str, Any]] | None
NOTHING: Mapping[str, Any] = {
    "text": "", "tokens": [], "count": 0, "assistant_only": "none", "notes": [], "problem": "", "turn": 0, "words": "",
}  # fmt: skip


def render(
    folder: str,
    messages: list[Message],
    tools: Tools = None,
    add_generation_prompt: bool = False,
    max_length: int | None = None,
) -> dict[str, Any]:
    """Plain JSON: `text`, `tokens`, `count`, `assistant_only` (own, patch or none), `notes` and `seconds`.

    A token has `id`, `text`, `special`, `turn` (counted from 1, or 0) and `trained`: whether a loss on answers alone
    would cover it, or None where that cannot be told. Where nothing came out, `problem` is the sentence that says why,
    `turn` the turn that is refused (from 1, or 0), and `words` are the template's own.
    """
    began = time.perf_counter()
    answer = {**NOTHING, **_answer(folder, messages, tools, add_generation_prompt, max_length)}
    return answer | {"seconds": round(time.perf_counter() - began, 3)}


def _answer(
    folder: str, messages: list[Message], tools: Tools, waits: bool, max_length: int | None
) -> Mapping[str, Any]:
    try:
        tokenizer = load_tokenizer(Path(folder))
    except CannotLoad as reason:
        return {"problem": f"The tokenizer cannot be loaded: {reason}."}
    if not tokenizer.chat_template:
        return {"problem": "The model has no chat template."}
    if not messages:
        return {"problem": "There is no turn to render. Add one."}
    return _rendered(tokenizer, messages, tools, waits, max_length)


def _rendered(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[Message],
    tools: Tools,
    waits: bool,
    max_length: int | None,
) -> dict[str, Any]:
    beginnings = [messages[:count] for count in range(1, len(messages))] if len(messages) <= MOST_TURNS else []
    whole, tags, *parts = sandbox.run(
        [
            partial(_text, tokenizer, messages, tools, waits),
            partial(_training_template, tokenizer),
            *(partial(_text, tokenizer, some, tools, False) for some in beginnings),
        ],
        seconds=sandbox.SECONDS,
    )
    if not whole.ok:
        return _refusal(whole, parts, messages)
    how, patched = tags.value if tags.ok else ("none", None)
    trained = _trained(tokenizer, messages, tools, waits, patched) if how != "none" else None
    ends = _ends(whole.value, messages, parts)
    return {"assistant_only": how, **_tokens(tokenizer, whole.value, ends, trained, max_length)}


def _text(tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: Tools, waits: bool) -> Any:
    given: Any = tools
    return tokenizer.apply_chat_template(messages, tools=given, tokenize=False, add_generation_prompt=waits)


def _training_template(tokenizer: PreTrainedTokenizerBase) -> tuple[str, str | None]:
    """How the assistant's tokens can be told apart, and the template of TRL's that does it, if it takes one."""
    if has_generation_markers(tokenizer.chat_template):
        return "own", None
    try:
        return "patch", get_training_chat_template(tokenizer)
    except ValueError:
        return "none", None


def _trained(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[Message],
    tools: Tools,
    waits: bool,
    patched: str | None,
) -> tuple[list[int], list[int]] | None:
    """Token ids with 1 for each that a loss on answers alone would cover, as the template that is trained has them."""

    def masked() -> Any:
        given: Any = tools
        encoded: Any = tokenizer.apply_chat_template(
            messages, tools=given, chat_template=patched, add_generation_prompt=waits,
            return_dict=True, return_assistant_tokens_mask=True,
        )  # fmt: skip
        return encoded["input_ids"], encoded["assistant_masks"]

    result = sandbox.run([masked], seconds=sandbox.SECONDS)[0]
    return (result.value[0], result.value[1]) if result.ok else None


def _ends(text: str, messages: list[Message], parts: Sequence[Result]) -> list[int]:
    """Where each turn ends in the text, as far as its content can be found there; else an empty list.

    What follows a content belongs to its turn as long as it follows too when the conversation ends there.
    """
    ends: list[int] = []
    at = 0
    for number, message in enumerate(messages):
        content = message.get("content")
        found = text.find(content.strip(), at) if isinstance(content, str) and content.strip() else -1
        if found < 0 or (number < len(messages) - 1 and number >= len(parts)):
            return []
        at = found + len(str(content).strip())
        if number < len(messages) - 1:
            alone = str(parts[number].value or "") if parts[number].ok else ""
            own = alone.rpartition(str(content).strip())[2]
            at += common_length(own, text[at:])
        ends.append(at)
    return ends


def _tokens(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    ends: list[int],
    trained: tuple[list[int], list[int]] | None,
    max_length: int | None,
) -> dict[str, Any]:
    offsets = tokenizer.is_fast
    encoded: Any = tokenizer(text, add_special_tokens=False, return_offsets_mapping=offsets)
    ids: list[int] = encoded["input_ids"]
    spans = encoded["offset_mapping"] if offsets else [None] * len(ids)
    mask = trained[1] if trained and trained[0] == ids else None
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    listed = [
        {
            "id": number,
            "text": text[max(span[0], begun) : span[1]] if span else tokenizer.decode([number]),
            "special": number in special,
            "turn": _turn_at(span, ends),
            "trained": bool(mask[place]) if mask else None,
        }
        for place, (number, span, begun) in enumerate(zip(ids[:MOST_TOKENS], spans, _begun(spans), strict=False))
    ]
    return {"text": text, "tokens": listed, "count": len(ids), "notes": list(_notes(len(ids), max_length))}


def _begun(spans: Sequence[tuple[int, int] | None]) -> Iterator[int]:
    """For each token how far the text was written before it. Of tokens that share a character the first one has it."""
    return accumulate((span[1] if span else 0 for span in spans), max, initial=0)


def _notes(count: int, max_length: int | None) -> Iterator[str]:
    if max_length and count > max_length:
        yield f"{count - max_length:,} of the {count:,} tokens lie beyond the {max_length:,} that are kept."
    if count > MOST_TOKENS:
        yield f"Only the first {MOST_TOKENS:,} of {count:,} tokens are listed."


def _turn_at(span: tuple[int, int] | None, ends: list[int]) -> int:
    """The turn, counted from 1, in which a token ends; what stands after the last content is the last turn's."""
    return 0 if span is None or not ends else min(bisect_left(ends, span[1]) + 1, len(ends))


def _refusal(whole: Result, parts: Sequence[Result], messages: list[Message]) -> dict[str, Any]:
    """The first turn with which the template says what it says to the whole."""
    words = failure(whole)
    if whole.stopped:
        return {"problem": f"The chat template was stopped: {words}."}
    if whole.error == "TemplateSyntaxError":
        return {"problem": f"The chat template cannot be read: {words}.", "words": words}
    same = (number for number, part in enumerate(parts) if (part.error, part.words) == (whole.error, whole.words))
    turn = next(same, len(messages) - 1) + 1
    role = messages[turn - 1].get("role", "")
    return {"problem": f"The chat template refuses turn {turn} ({role}): {words}.", "turn": turn, "words": words}
