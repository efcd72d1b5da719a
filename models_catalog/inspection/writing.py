"""Many conversations through a chat template, as text to be trained without it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from . import sandbox
from .templates import failure
from .tokenizer import CannotLoad, load_tokenizer

SECONDS = 0.2
"""For a conversation, on average."""


def render_all(folder: str, conversations: list[dict[str, Any]]) -> dict[str, Any]:
    """Plain JSON: `problem`, or `texts`, each with its text and the words with which the template refuses it.

    A conversation holds `messages` and perhaps `tools`.
    """
    try:
        tokenizer = load_tokenizer(Path(folder))
    except CannotLoad as reason:
        return {"problem": f"The tokenizer cannot be loaded: {reason}.", "texts": []}
    if not tokenizer.chat_template:
        return {"problem": "The model has no chat template.", "texts": []}
    seconds = max(sandbox.SECONDS, SECONDS * len(conversations))
    result = sandbox.run([partial(_all, tokenizer, conversations)], seconds=seconds, largest=64 * 1024**2)[0]
    if not result.ok:
        return {"problem": f"The chat template was stopped: {failure(result)}.", "texts": []}
    return {"problem": "", "texts": result.value}


def _all(tokenizer: PreTrainedTokenizerBase, conversations: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [_one(tokenizer, **conversation) for conversation in conversations]


def _one(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, Any]], tools: Any = None) -> tuple[str, str]:
    try:
        text: Any = tokenizer.apply_chat_template(messages, tools=tools, tokenize=False)
    except Exception as error:  # whatever a template raises, this row is refused and the next one is tried
        return "", failure(sandbox.Result(error=type(error).__name__, words=str(error)[:2_000]))
    return trained_once(tokenizer, str(text)), ""


def trained_once(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """The text without what training text adds by itself: the token that begins it, and a second one that ends it."""
    begin, end = tokenizer.bos_token, tokenizer.eos_token
    if begin and text.startswith(begin):
        ids: Any = tokenizer(text[:1000])["input_ids"]
        if ids[:2] == [tokenizer.bos_token_id] * 2:
            text = text[len(begin) :]
    return text.rstrip() if end and text.rstrip().endswith(end) else text
