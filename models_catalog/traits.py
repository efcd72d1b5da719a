"""What a model's tokenizer says of itself, and what its chat template did when it was tried, in words for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import humanize

from jobs.rulebook.words import names

from .fact_sheet import Line

SPECIAL = {"bos_token": "Beginning", "eos_token": "End", "pad_token": "Padding", "unk_token": "Unknown text"}
Shown = Mapping[str, Any]


@dataclass(frozen=True)
class Trait:
    """What was tried, what came of it, and whether that is `good`, `bad` or neither (`open`)."""

    tried: str
    found: str
    tone: str


def tokenizer_lines(shown: Shown) -> list[Line]:
    """The part `tokenizer` of an inspection's document; empty where it was not looked at."""
    return list(_tokenizer(shown)) if shown.get("loads") else []


def _tokenizer(shown: Shown) -> Iterator[Line]:
    fast = "" if shown["fast"] else ", the slow kind"
    yield Line("Tokenizer", f"{shown['kind']}, {humanize.intcomma(shown['tokens'])} tokens{fast}", _beyond(shown))
    for name, label in SPECIAL.items():
        token = shown["special"].get(name)
        yield Line(f"{label} token", f"{token['text']} ({token['id']})" if token else "none")
    stops = [f"{token['text']} ({token['id']})" for token in shown["stops"]]
    yield Line("Generation stops at", names(stops) or "nothing")
    if around := [*shown["before_text"], *shown["after_text"]]:
        yield Line("Added to every text", names(around))


def _beyond(shown: Shown) -> str:
    """Tokens that the model has no embedding for."""
    if not shown["beyond_count"]:
        return ""
    named = names([token["text"] for token in shown["beyond"]])
    return f"{humanize.intcomma(shown['beyond_count'])} of them have no row in the model's embedding: {named}"


OUTCOMES = {
    "kept": ("renders it", "good"),
    "dropped": ("leaves it out, without a word", "bad"),
    "printed": ("prints it as Python writes lists", "bad"),
    "refused": ("refuses it", "bad"),
    "untried": ("was not tried with it", "open"),
}
ROLES = {
    "system": "A system message",
    "user": "What users say",
    "assistant": "What assistants say",
    "tool": "The answer of a tool",
    "other": "A role it may not know",
}
SHAPES = {
    "two-systems": "Two system messages",
    "late-system": "A system message after the user's",
    "two-users": "Two users in a row",
    "two-assistants": "Two assistants in a row",
    "starts-with-assistant": "A conversation begun by the assistant",
    "no-user": "A conversation without a user",
    "ends-unanswered": "A conversation that ends with a question",
    "empty-user": "A user who says nothing",
    "empty-system": "An empty system message",
    "empty-tool": "A tool that answers nothing",
    "reasoning-early": "Reasoning (<think>) in an earlier answer",
    "reasoning-last": "Reasoning (<think>) in the last answer",
    "missing-user": "A user turn without content",
    "missing-answer": "An assistant turn without content",
    "empty-answer": "An empty answer",
    "parts-user": "A user's content as a list of parts",
    "parts-answer": "An answer's content as a list of parts",
}
TOOLS = {
    "schema": "A list of tools",
    "calls": "A call of a tool",
    "answers": "What the called tool answered",
    "text_beside_call": "Text beside a call",
}
TAGS = {
    "own": ("marks the assistant's words itself, so loss on answers alone is exact", "good"),
    "patch": ("can be given marks by TRL, so loss on answers alone is possible", "good"),
    "none": ("cannot tell the assistant's words apart, so there is no loss on answers alone", "open"),
}
LONGEST = 240


@dataclass(frozen=True)
class TemplateTraits:
    """What matters to nearly every dataset, and what matters to some."""

    usual: list[Trait]
    unusual: list[Trait]

    @property
    def to_mind(self) -> int:
        return sum(trait.tone == "bad" for trait in self.unusual)


def template_traits(shown: Shown) -> TemplateTraits | None:
    """The part `template` of an inspection's document; of unusual rows only those that do not come out whole."""
    if not shown.get("present"):
        return None
    if shown.get("problem"):
        return TemplateTraits([Trait("Any conversation", f"cannot be used: {shown['problem']}", "bad")], [])
    return TemplateTraits([*_roles(shown), *_beginning(shown), *_ending(shown)], [*_unusual(shown), *_tools(shown)])


def _fate(tried: str, fate: Shown) -> Trait:
    found, tone = OUTCOMES[fate["outcome"]]
    return Trait(tried, f"{found}: “{_cut(fate['words'])}”" if fate.get("words") else found, tone)


def _roles(shown: Shown) -> Iterator[Trait]:
    yield from (_fate(label, shown["roles"][role]) for role, label in ROLES.items() if role in shown["roles"])


def _beginning(shown: Shown) -> Iterator[Trait]:
    added = shown["default_system"]
    if added:
        yield Trait("No system message", f"adds one of its own: “{_cut(added)}”", "open")
    else:
        yield Trait("No system message", "adds none of its own", "good")
    if shown["dates"]:
        yield Trait("Another day", "writes today's date, so training sees the date of its start", "bad")


def _ending(shown: Shown) -> Iterator[Trait]:
    end = shown["end"]
    if not end["token"]:
        yield Trait("The end of an answer", "writes no token there, so the model does not learn to stop", "bad")
    elif end["stops"]:
        yield Trait("The end of an answer", f"writes {end['token']}, at which generation stops", "good")
    else:
        yield Trait("The end of an answer", f"writes {end['token']}, at which generation does not stop", "bad")
    prompt = shown["generation_prompt"]
    if prompt:
        yield Trait("A question that waits for an answer", f"ends with “{_cut(prompt)}”", "good")
    else:
        yield Trait("A question that waits for an answer", "does not begin the answer", "open")
    yield Trait("Loss on answers alone", *TAGS[shown["generation_tags"]])
    if not shown["prefix_stable"]:
        yield Trait("Another turn at the end", "writes the earlier turns differently then", "open")


def _unusual(shown: Shown) -> Iterator[Trait]:
    fates = {**shown["shapes"], **shown["contents"]}
    odd = {name: fate for name, fate in fates.items() if fate["outcome"] != "kept"}
    yield from (_fate(SHAPES[name], fate) for name, fate in odd.items() if name in SHAPES)
    if whole := len(fates) - len(odd):
        yield Trait(f"{whole} other unusual kinds of rows", "renders them whole", "good")


def _tools(shown: Shown) -> Iterator[Trait]:
    yield from (_fate(label, shown["tools"][name]) for name, label in TOOLS.items() if name in shown["tools"])


def _cut(text: str) -> str:
    """Line breaks get a sign of their own; long texts are cut."""
    line = text.strip().replace("\n", " ↵ ")
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
