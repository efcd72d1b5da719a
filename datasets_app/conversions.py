"""Datasets turned into another format: which ways there are, what each gives up, and trying one on a few rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from finetune_site.problems import problem
from jobs.warm.client import Unanswered

from . import converted_rows as rows
from .models import Dataset, Format
from .preview import shown
from .templated import template_folder, written_by_template
from .version_files import Change, Step
from .versions import derive

Row = dict[str, Any]
ALPACA = "alpaca"
PREVIEWED = 3


@dataclass(frozen=True)
class Conversion:
    """One way from a format to another. `to` is a format, or a layout that other programs read."""

    source: Format
    to: str
    label: str
    change: Callable[[Row], rows.Changed]
    lost: str
    by_template: bool = False
    """A model's chat template can do it too, without that loss."""


AS_TEXT = (
    "Turns are written as plain lines such as “User: …”, so the model no longer sees its own chat template or where an "
    "answer ends."
)
AS_ALPACA = "Rows that use tools, or in which users and assistants do not take turns, have no place in Alpaca and go."
CONVERSIONS = (
    Conversion(Format.MESSAGES, Format.TEXT, "text", rows.as_plain_text, AS_TEXT, by_template=True),
    Conversion(
        Format.MESSAGES,
        Format.PROMPT_COMPLETION,
        "prompt and completion",
        rows.as_last_answer,
        "Of each chat only the last answer is learnt; earlier answers become part of its prompt, and turns after the "
        "last answer go.",
    ),
    Conversion(Format.MESSAGES, ALPACA, "Alpaca (instruction, input, output)", rows.as_alpaca, AS_ALPACA),
    Conversion(
        Format.PROMPT_COMPLETION,
        Format.MESSAGES,
        "chat (messages)",
        rows.as_chat,
        "Where a model's template cannot tell answers exactly, a chat is trained on every turn, prompts included.",
    ),
    Conversion(
        Format.PROMPT_COMPLETION,
        Format.TEXT,
        "text",
        rows.as_plain_text,
        "All of the text is learnt, prompts included. Messages are written as plain lines such as “User: …”.",
        by_template=True,
    ),
    Conversion(
        Format.PROMPT_COMPLETION,
        ALPACA,
        "Alpaca (instruction, input, output)",
        rows.as_alpaca,
        AS_ALPACA,
    ),
    Conversion(
        Format.PREFERENCE,
        Format.PROMPT_COMPLETION,
        "prompt and completion",
        rows.as_chosen,
        "The rejected answers are left out: the model learns what was chosen, not what to avoid.",
    ),
    Conversion(
        Format.UNPAIRED_PREFERENCE,
        Format.PROMPT_COMPLETION,
        "prompt and completion",
        rows.as_good_answer,
        "Only the good answers are kept: the model learns those, not what to avoid.",
    ),
)
_BY_FORMATS: Mapping[tuple[str, str], Conversion] = {(each.source, each.to): each for each in CONVERSIONS}

NO_WAY: Mapping[tuple[str, str], str] = {
    (Format.UNPAIRED_PREFERENCE, Format.PREFERENCE): "A preference needs a good and a bad answer to the same question; "
    "here each answer is judged by itself. Convert to prompt and completion to learn the good ones.",
    (Format.TEXT, Format.MESSAGES): "In plain text nothing says who speaks where. Upload the chats themselves.",
    (Format.MESSAGES, Format.PREFERENCE): "A preference needs a second, worse answer to each question, which chats do "
    "not have.",
}
"""Ways that somebody may look for and that do not exist, each with the reason."""


def conversions_from(dataset: Dataset) -> tuple[Conversion, ...]:
    """The ways that are open to a dataset: none while it is read or when no row of it is good."""
    return tuple(each for each in CONVERSIONS if dataset.is_convertible and each.source == dataset.format)


def find_conversion(source: str, to: str) -> Conversion | None:
    return _BY_FORMATS.get((source, to))


def convert_dataset(*, dataset: Dataset, to: str, model: str = "") -> Dataset:
    """A new version in another format. Bad rows are left out, which its notes say.

    With a `model`, its chat template writes the text.
    """
    conversion = _way(dataset, to, model)
    name = f"{dataset.name[:90]} as {Format(to).label.lower() if to in Format.values else 'Alpaca'}"
    options = {"to": to, **({"model": model} if model else {})}
    return derive(dataset, "conversion", options, name=name, notes=notes_on(dataset, conversion, model))


def _way(dataset: Dataset, to: str, model: str) -> Conversion:
    """Raises `Problem` where there is none."""
    conversion = find_conversion(dataset.format, to)
    open_ways = conversions_from(dataset)
    if conversion is None or conversion not in open_ways:
        ways = " or ".join(f"“{each.to}”" for each in open_ways) or "nothing"
        message = f"“{dataset.name}” ({dataset.format}, {dataset.status}) can be converted to {ways}, not to “{to}”."
        why = NO_WAY.get((dataset.format, to))
        raise problem("to", "dataset.not-convertible", f"{message} {why}" if why else message)
    if model:
        if not conversion.by_template or not dataset.conversational:
            message = "A model's chat template writes conversations as text. Leave the model empty for anything else."
            raise problem("model", "conversion.no-template", message)
        template_folder(model)
    return conversion


def version_rows(original: Dataset, options: Mapping[str, Any]) -> Iterator[Step]:
    """The good rows of a dataset in another format."""
    conversion = find_conversion(original.format, options["to"])
    if conversion is None:
        raise LookupError(f"There is no way from {original.format} to {options['to']}.")
    return (_step(line, changed) for line, changed in _changed(original, conversion, options.get("model", "")))


def _changed(original: Dataset, conversion: Conversion, model: str) -> Iterator[tuple[int, rows.Changed]]:
    if not model:
        return ((line, conversion.change(row)) for line, row in original.located_rows())
    return _templated(original, model, original.located_rows())


def _templated(original: Dataset, model: str, given: Iterator[tuple[int, Row]]) -> Iterator[tuple[int, rows.Changed]]:
    for line, text, refusal in written_by_template(template_folder(model), given):
        yield line, f"The chat template refuses it: {refusal}." if refusal else {"text": text}


def _step(line: int, changed: rows.Changed) -> Step:
    if isinstance(changed, str):
        return line, None, Change("not-converted", f"Left out: {changed}")
    return line, changed, None


@dataclass(frozen=True)
class Tried:
    """A few rows as they are and as they would be; `after` is the reason where a row would be left out."""

    conversion: Conversion
    notes: list[str]
    before: list[Row]
    after: list[rows.Changed]
    model: str = ""

    @property
    def pairs(self) -> list[tuple[Row, rows.Changed]]:
        return list(zip(self.before, self.after, strict=True))

    @property
    def shown_pairs(self) -> list[tuple[Row, rows.Changed]]:
        """Short enough for a page."""
        return [(shown(before), after if isinstance(after, str) else shown(after)) for before, after in self.pairs]


def try_conversion(*, dataset: Dataset, to: str, model: str = "") -> Tried:
    """The first rows converted, and nothing written. Raises `Problem`."""
    conversion = _way(dataset, to, model)
    first = list(islice(dataset.located_rows(), PREVIEWED))
    try:
        if model:
            after = [changed for _, changed in _templated(dataset, model, iter(first))]
        else:
            after = [conversion.change(row) for _, row in first]
    except Unanswered as silence:
        message = f"The chat template of {model} gave no text: {silence}"
        raise problem("model", "conversion.template-failed", message) from silence
    return Tried(conversion, notes_on(dataset, conversion, model), [row for _, row in first], after, model)


def notes_on(original: Dataset, conversion: Conversion, model: str = "") -> list[str]:
    """What somebody who converts should know: what is lost, and how many rows are left out."""
    return list(_notes(original, conversion, model))


def _notes(original: Dataset, conversion: Conversion, model: str) -> Iterator[str]:
    if model:
        yield (
            f"Written by the chat template of {model}: train that model on it, with the strategy standard. All of the "
            "text is learnt, questions included."
        )
    else:
        yield conversion.lost
    extras = original.stats.get("extras", {})
    keeps_turns = conversion.to in (Format.MESSAGES, Format.PROMPT_COMPLETION)
    if extras.get("weights") and not keeps_turns:
        yield f"In {extras['weights']:,} rows an answer has weight 0; in the copy it is learnt like any other."
    if extras.get("reasoning") and not keeps_turns and not model:
        yield f"In {extras['reasoning']:,} rows an answer has its reasoning apart; the copy leaves it out."
    if extras.get("tools") and conversion.to == Format.TEXT and not model:
        yield f"The tools that {extras['tools']:,} rows describe are left out; calls are written as plain lines."
    if original.bad_rows:
        yield f"{original.bad_rows:,} of {original.rows:,} rows were left out because they are bad."
