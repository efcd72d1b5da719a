"""The template playground of a model's page: a conversation is typed, and its exact text and tokens come back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import QueryDict
from django.utils import timezone

from datasets_app.models import Dataset
from jobs.warm.client import Unanswered, ask

from .conversation import EXAMPLES, ROLES, Conversation, Unreadable, from_messages

SECONDS = 20.0
"""For a busy machine that loads a large tokenizer. The template itself is stopped by its sandbox after a second."""
PER_MINUTE = 120
MOST_TOKENS = 3000
"""Drawn on the page; the count is of all."""
PART = "·"
"""Stands for a token that only goes on with the character of the one before it."""
DATASETS, ROWS = 10, 5
UNANSWERED = {
    "absent": "The helper process that runs chat templates is not there just now, so nothing can be rendered. "
    "It starts with the portal (manage.py serve) and comes back by itself after a restart.",
    "timeout": f"Nothing was there after {SECONDS:g} s: the machine is probably busy. Try again in a moment.",
    "memory": "This template took more memory than it is given and was stopped.",
}
BROKE = "The helper process broke down over this conversation. Nothing else was harmed; the log has the rest."
TOO_OFTEN = "That was a lot of renderings in one minute. Wait a moment, then try again."


@dataclass(frozen=True)
class Token:
    """One token of the rendered text. Line breaks get a sign of their own, so that they can be seen."""

    id: int
    text: str
    special: bool
    trained: bool

    @property
    def seen(self) -> str:
        return self.text.replace("\n", "↵\n") or PART


@dataclass(frozen=True)
class Rendered:
    """What came back: a text with its tokens, or in `refusal` why there is none.

    `turn` is the number of the turn that the template refuses, 0 when it is not about one.
    """

    text: str = ""
    tokens: tuple[Token, ...] = ()
    count: int = 0
    refusal: str = ""
    turn: int = 0
    notes: tuple[str, ...] = ()
    knows_trained: bool = False

    @property
    def drawn(self) -> Sequence[Token]:
        return self.tokens[:MOST_TOKENS]

    @property
    def special(self) -> int:
        return sum(token.special for token in self.tokens)

    @property
    def trained(self) -> int:
        return sum(token.trained for token in self.tokens)


@dataclass(frozen=True)
class Playground:
    """The form, and what came of it."""

    conversation: Conversation
    rendered: Rendered | None = None
    examples: Mapping[str, str] = field(default_factory=lambda: {name: label for name, (label, _) in EXAMPLES.items()})
    datasets: Sequence[tuple[str, Sequence[tuple[str, str]]]] = ()
    roles: Sequence[str] = ROLES


def opened(user: User) -> Playground:
    """As the page shows it first: an example, not rendered yet."""
    return Playground(EXAMPLES["question"][1], datasets=list(_rows_of(user)))


def played(sent: QueryDict, user: User, folder: Path | None, *, context_length: int | None = None) -> Playground:
    """Do what the pressed button says to the conversation that was sent, and render what comes of it."""
    datasets = list(_rows_of(user))
    try:
        conversation = _changed(Conversation.read(sent), sent, user)
        rendered = _render(conversation, user, folder, context_length)
    except Unreadable as problem:
        conversation = _kept(sent)
        rendered = Rendered(refusal=str(problem))
    return Playground(conversation, rendered, datasets=datasets)


def _kept(sent: QueryDict) -> Conversation:
    """What was typed, where it can be read at all."""
    try:
        return Conversation.read(sent)
    except Unreadable:
        return EXAMPLES["question"][1]


def _changed(conversation: Conversation, sent: QueryDict, user: User) -> Conversation:
    """Buttons say what to do: `add`, `remove:2`, or nothing but render. Selectors replace the whole conversation."""
    action, _, number = sent.get("do", "").partition(":")
    match action:
        case "add":
            return conversation.with_turn()
        case "remove" if number.isdecimal() and len(number) < 4:
            return conversation.without_turn(int(number))
        case "example":
            return _example(sent.get("example", ""), user) or conversation
    return conversation


def _example(name: str, user: User) -> Conversation | None:
    """One of ours, or `row:<dataset>:<number>` of one's own data."""
    if name in EXAMPLES:
        return EXAMPLES[name][1]
    kind, pk, number = [*name.split(":"), "", "", ""][:3]
    if kind != "row" or not (pk + number).isdecimal() or len(pk + number) > 12:
        return None
    dataset = Dataset.objects.visible_to(user).filter(pk=pk).first()
    rows = dataset.preview if dataset else []
    return _conversation(rows[int(number)]) if int(number) < len(rows) else None


def _conversation(row: Mapping[str, Any]) -> Conversation | None:
    """The conversation in a row; of preferences the chosen answer."""
    messages = [
        message
        for column in ("messages", "prompt", "completion", "chosen")
        if isinstance(row.get(column), list)
        for message in row[column]
        if isinstance(message, dict)
    ]
    return from_messages(messages, row.get("tools")) if messages else None


def _rows_of(user: User) -> Iterator[tuple[str, Sequence[tuple[str, str]]]]:
    """The first rows of one's newest datasets that hold conversations, by the name of the dataset."""
    ready = Dataset.objects.visible_to(user).filter(status=Dataset.Status.READY, conversational=True)
    for dataset in ready[:DATASETS]:
        yield dataset.name, [(f"row:{dataset.pk}:{n}", f"Row {n + 1}") for n in range(len(dataset.preview[:ROWS]))]


def _render(conversation: Conversation, user: User, folder: Path | None, context_length: int | None) -> Rendered:
    if folder is None:
        return Rendered(refusal="The model's own files are not here, so there is no template to try.")
    if not conversation.turns:
        return Rendered(refusal="There is no turn to render. Add one.")
    if _too_often(user):
        return Rendered(refusal=TOO_OFTEN)
    try:
        return _read(
            ask(
                "render",
                seconds=SECONDS,
                folder=str(folder),
                messages=conversation.messages(),
                tools=conversation.tool_list(),
                add_generation_prompt=conversation.ask_for_answer,
                max_length=context_length,
            )
        )
    except Unanswered as silence:
        return Rendered(refusal=UNANSWERED.get(silence.reason, BROKE))


def _too_often(user: User) -> bool:
    """Counts by the minute; every rendering costs a process."""
    key = f"playground:{user.pk}:{timezone.now():%H%M}"
    cache.add(key, 0, 120)
    return int(cache.incr(key)) > PER_MINUTE


def _read(answer: Mapping[str, Any]) -> Rendered:
    """The answer of `inspection.rendering.render`."""
    if answer["problem"]:
        return Rendered(refusal=answer["problem"], turn=answer["turn"])
    tokens = tuple(
        Token(token["id"], token["text"], token["special"], bool(token["trained"])) for token in answer["tokens"]
    )
    return Rendered(
        text=answer["text"],
        tokens=tokens,
        count=answer["count"],
        notes=tuple(answer["notes"]),
        knows_trained=any(token["trained"] is not None for token in answer["tokens"]),
    )
