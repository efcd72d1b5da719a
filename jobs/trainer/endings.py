"""Whether the rows teach a model to stop: a token at which generation ends must be among those it learns to write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from jobs.preparation.rendering import Refused, Writer
from jobs.rulebook import Finding, Severity

from .run_file import RunFile

LOOKED_AT = 1000
"""Rows. The template is the same for all of them, so the first ones tell."""
TAIL = 4
"""Trained tokens at the end of a row in which its end must be: templates put a line break or two after it."""


@dataclass
class Endings:
    """How many rows are whole, and how many, whole or cut, hold an end that is learnt."""

    rows: int = 0
    whole: int = 0
    ended: int = 0


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Where generation ends after training: at what the model names, and at the tokenizer's end, which joins it."""
    named = model.generation_config.eos_token_id
    tokens = named if isinstance(named, list) else [named]
    return {token for token in (*tokens, tokenizer.eos_token_id) if token is not None}


def count_endings(run: RunFile, prepared: Dataset, stops: set[int], tokenizer: PreTrainedTokenizerBase) -> Endings:
    """A row that is cut may still hold the end of an earlier answer. Ends of other turns do not count."""
    endings, header = Endings(), answer_header(run, tokenizer)
    for length, trained in islice(_rows(run, prepared), LOOKED_AT):
        whole = length < run.settings["data.max_length"] and not run.settings["data.packing"]
        every_turn = run.method != "dpo" and len(trained) == length
        learnt = trained[-TAIL:] if whole else _behind(header, trained) if every_turn else trained
        endings.rows += 1
        endings.whole += whole
        endings.ended += not stops.isdisjoint(learnt)
    return endings


def answer_header(run: RunFile, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What the template writes before an answer; empty where it writes nothing there, and for plain text."""
    if not run.conversational:
        return []
    write, asked, answer = (
        Writer(tokenizer).text,
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "!"},
    )
    try:
        begun, waiting = (write([asked], None, waits=waits) for waits in (False, True))
        answered = write([asked, answer], None, waits=False)
    except Refused:
        return []
    shared = "".join(
        mine for mine, _ in takewhile(lambda both: both[0] == both[1], zip(waiting, answered, strict=False))
    )
    header = shared.removeprefix(begun).rstrip() if shared.startswith(begun) else ""
    return list(tokenizer(header, add_special_tokens=False)["input_ids"]) if header else []


def _behind(header: list[int], tokens: list[int]) -> list[int]:
    """The tokens behind the first place where an answer begins."""
    if not header:
        return tokens
    places = (at for at, token in enumerate(tokens) if token == header[0])
    begins = next((at for at in places if tokens[at : at + len(header)] == header), None)
    return [] if begins is None else tokens[begins + len(header) :]


def _rows(run: RunFile, prepared: Dataset) -> Iterator[tuple[int, list[int]]]:
    """The length of each row, and the tokens that are learnt."""
    if run.method == "dpo":
        for row in prepared.select_columns(["prompt_ids", "chosen_ids"]):
            room = max(0, run.settings["data.max_length"] - len(row["prompt_ids"]))
            yield len(row["prompt_ids"]) + len(row["chosen_ids"]), row["chosen_ids"][:room]
        return
    for row in prepared.select_columns(["labels"]):
        yield len(row["labels"]), [token for token in row["labels"] if token >= 0]


def never_ends(run: RunFile, endings: Endings) -> Finding | None:
    """A warning when not one row teaches where to stop. Long texts that are cut are meant to go on."""
    if endings.ended or not endings.rows or run.facts.get("template_end"):  # the rulebook has told about the latter
        return None
    if endings.whole:
        message = (
            f"No row ends with a token at which {run.model_name} stops, so after training it may go on writing past "
            "its answer. Choose a model whose chat template ends turns with its end token, or ask staff to add the "
            "template's to eos_token_id in its generation_config.json."
        )
        return _warning("model.name", message)
    if run.dataset_format == "text":
        return None
    message = (
        f"Every row is cut at {run.settings['data.max_length']} tokens, before its answer ends, so {run.model_name} "
        "would not learn to stop. Keep more tokens, or shorten the rows."
    )
    return _warning("data.max_length", message)


def _warning(field: str, message: str) -> Finding:
    return Finding("trainer.end-untrained", Severity.WARNING, field, message)
