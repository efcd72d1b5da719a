"""Conversations as the chat template writes them, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

Messages = list[dict[str, Any]]
Spans = list[tuple[int, int]]
"""Where characters begin that are learnt, and where they end."""

REFUSALS = (TemplateError, TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError, OverflowError)
"""What templates raise, on purpose or because a row is not what they expect."""
MOST_WORDS = 300


class Refused(Exception):
    """The chat template takes no such row; the text holds its own words."""


def words_of(error: BaseException) -> str:
    """What an error of a template says, on one line."""
    line = " ".join(str(error).split())[:MOST_WORDS].rstrip(".")
    return line if type(error) is TemplateError else f"{type(error).__name__}: {line}"


def tools_of(row: Mapping[str, Any]) -> Any:
    """The functions a row describes, which may stand there as JSON. An empty list counts as none does to TRL."""
    tools = row.get("tools")
    return json.loads(tools) if isinstance(tools, str) else tools


def rendered(
    tokenizer: PreTrainedTokenizerBase, messages: Messages, tools: Any, *, template: str | None = None, waits: bool
) -> str:
    """The text of a conversation; with `waits` also the beginning of the answer to come. Raises `Refused`."""
    try:
        text: Any = tokenizer.apply_chat_template(
            messages, tools=tools, chat_template=template, tokenize=False, add_generation_prompt=waits
        )
    except REFUSALS as error:
        raise Refused(words_of(error)) from error
    return str(text)


def rendered_with_tags(
    tokenizer: PreTrainedTokenizerBase, messages: Messages, tools: Any, template: str | None
) -> tuple[str, Spans]:
    """The text, and what of it stands between the template's generation tags. Raises `Refused`."""
    told = [{name: value for name, value in turn.items() if value is not None} for turn in messages]
    try:
        made: Any = render_jinja_template(
            conversations=[told],
            tools=tools,
            chat_template=tokenizer.get_chat_template(template, tools),
            return_assistant_tokens_mask=True,
            **cast(dict[str, Any], tokenizer.special_tokens_map),
        )
    except REFUSALS as error:
        raise Refused(words_of(error)) from error
    texts, spans = made
    return texts[0], [(start, end) for start, end in spans[0]]
