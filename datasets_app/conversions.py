"""Datasets turned into another format: which ways there are, how a row changes, and what is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from finetune_site.problems import problem

from .models import Dataset, Format
from .version_files import Step
from .versions import derive

Row = dict[str, Any]


@dataclass(frozen=True)
class Conversion:
    """One way from a format to another."""

    source: Format
    to: Format
    change: Callable[[Row], Row]
    lost: str


def _as_text(row: Row) -> Row:
    turns = (f"{turn['role'].capitalize()}: {turn['content']}" for turn in row["messages"])
    return {"text": "\n\n".join(turns)}


def _as_messages(row: Row) -> Row:
    return {"messages": _turns("user", row["prompt"]) + _turns("assistant", row["completion"])}


def _turns(role: str, side: str | list[Row]) -> list[Row]:
    return side if isinstance(side, list) else [{"role": role, "content": side}]


def _as_chosen(row: Row) -> Row:
    return {"prompt": row["prompt"], "completion": row["chosen"]}


CONVERSIONS = (
    Conversion(
        Format.MESSAGES,
        Format.TEXT,
        _as_text,
        "Turns are written as plain lines such as “User: …”, so the model no longer sees its own chat template "
        "or where an answer ends.",
    ),
    Conversion(
        Format.PROMPT_COMPLETION,
        Format.MESSAGES,
        _as_messages,
        "Where a model's template cannot tell answers exactly, a chat is trained on every turn, prompts included.",
    ),
    Conversion(
        Format.PREFERENCE,
        Format.PROMPT_COMPLETION,
        _as_chosen,
        "The rejected answers are left out: the model learns what was chosen, not what to avoid.",
    ),
)
_BY_FORMATS: Mapping[tuple[str, str], Conversion] = {(each.source, each.to): each for each in CONVERSIONS}


def conversions_from(dataset: Dataset) -> tuple[Conversion, ...]:
    """The ways that are open to a dataset: none while it is read or when no row of it is good."""
    return tuple(each for each in CONVERSIONS if dataset.is_trainable and each.source == dataset.format)


def find_conversion(source: str, to: str) -> Conversion | None:
    return _BY_FORMATS.get((source, to))


def convert_dataset(*, dataset: Dataset, to: str) -> Dataset:
    """A new version in another format. Bad rows are left out, which its notes say."""
    conversion = find_conversion(dataset.format, to)
    open_ways = conversions_from(dataset)
    if conversion is None or conversion not in open_ways:
        ways = " or ".join(f"“{each.to}”" for each in open_ways) or "nothing"
        message = f"“{dataset.name}” ({dataset.format}, {dataset.status}) can be converted to {ways}, not to “{to}”."
        raise problem("to", "dataset.not-convertible", message)
    name = f"{dataset.name[:90]} as {Format(to).label.lower()}"
    return derive(dataset, "conversion", {"to": to}, name=name, notes=notes_on(dataset, conversion))


def version_rows(original: Dataset, options: Mapping[str, Any]) -> Iterator[Step]:
    """The good rows of a dataset in another format."""
    conversion = find_conversion(original.format, options["to"])
    if conversion is None:
        raise LookupError(f"There is no way from {original.format} to {options['to']}.")
    return ((0, conversion.change(row), None) for row in original.good_rows())


def notes_on(original: Dataset, conversion: Conversion) -> list[str]:
    """What somebody who converts should know: what is lost, and how many rows are left out."""
    left_out = f"{original.bad_rows:,} of {original.rows:,} rows were left out because they are bad."
    return [conversion.lost, *([left_out] if original.bad_rows else [])]
