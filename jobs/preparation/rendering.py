"""Conversations as the chat template writes them, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Template, TemplateError
from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import (
    _REASONING_FIELDS,
    _alias_reasoning_fields,
    _plain_template_data,
    _render_with_assistant_indices,
)

from .calls import CALL, CALL_AS_TEXT, conversation, wants_text, with_calls_as_text
from .sandbox import compiled

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


class Writer:
    """Writes conversations as a model's chat template does, or another template in its place."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: str | None = None) -> None:
        self.tokenizer, self._template = tokenizer, template
        self._is_plain = type(tokenizer).apply_chat_template is PreTrainedTokenizerBase.apply_chat_template
        self._names: dict[str, Any] = dict(tokenizer.special_tokens_map)
        self._wants_text: dict[str, bool] = {}

    def text(self, messages: Messages, tools: Any, *, waits: bool) -> str:
        """The text of a conversation; with `waits` also the beginning of the answer to come. Raises `Refused`."""
        try:
            if self._is_plain and _are_plain(messages, tools):
                return self._compiled(tools).render(self._given(messages, tools, waits=waits))
            text: Any = self.tokenizer.apply_chat_template(
                messages, tools=tools, chat_template=self._template, tokenize=False, add_generation_prompt=waits
            )
        except REFUSALS as error:
            raise Refused(words_of(error)) from error
        return str(text)

    def with_tags(self, messages: Messages, tools: Any) -> tuple[str, Spans]:
        """The text, and what of it stands between the template's generation tags. Raises `Refused`."""
        if not _are_plain(messages, tools):
            self.text(messages, tools, waits=False)  # which is refused
        render: Callable[..., tuple[str, list[tuple[int, int]]]] = _render_with_assistant_indices
        try:
            text, spans = render(self._compiled(tools), **self._given(messages, tools, waits=False))
        except REFUSALS as error:
            raise Refused(words_of(error)) from error
        return text, [(start, end) for start, end in spans]

    def wants_text(self, tools: Any) -> bool:
        """Whether its template takes the arguments of calls as JSON in a text only."""
        template = self.tokenizer.get_chat_template(self._template, tools)
        if template not in self._wants_text:
            self._wants_text[template] = wants_text(*(self._tried(template, call) for call in (CALL, CALL_AS_TEXT)))
        return self._wants_text[template]

    def _tried(self, template: str, call: dict[str, Any]) -> str | None:
        """What becomes of a short conversation with a call; None: it is refused."""
        given = {"messages": conversation(call), "tools": None, "documents": None, "add_generation_prompt": False}
        try:
            return compiled(template).render(self._names | given)
        except REFUSALS:
            return None

    def _compiled(self, tools: Any) -> Template:
        return compiled(self.tokenizer.get_chat_template(self._template, tools))

    def _given(self, messages: Messages, tools: Any, *, waits: bool) -> dict[str, Any]:
        """All that a template may read, as transformers hands it over."""
        told = _told(messages)
        if any("tool_calls" in turn for turn in told) and self.wants_text(tools):
            told = with_calls_as_text(told)
        return self._names | {
            "messages": told,
            "tools": _plain_template_data(tools),
            "documents": None,
            "add_generation_prompt": waits,
        }


def _are_plain(messages: Messages, tools: Any) -> bool:
    """Whether transformers would find nothing to refuse or to turn into something else."""
    return bool(messages) and (tools is None or all(type(tool) is dict for tool in tools))


def _told(messages: Messages) -> Messages:
    """Keys without a value are left out: some templates would write None."""
    told = [
        {
            name: value if type(value) is str else _plain_template_data(value)
            for name, value in turn.items()
            if value is not None
        }
        for turn in messages
    ]
    return told if all(map(_no_reasoning, told)) else _alias_reasoning_fields(told)


_no_reasoning = frozenset(_REASONING_FIELDS).isdisjoint
