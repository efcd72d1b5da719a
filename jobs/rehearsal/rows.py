"""The telling rows: written for the trainer, found again among what it tokenised, and chosen for the two steps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.trainer.checks import IGNORED
from jobs.trainer.folder import LINE, ROWS_FILE
from jobs.trainer.run import Prepared
from jobs.trainer.run_file import RunFile

from .document import TellingRow, TokenisedRow

Row = Mapping[str, Any]


def write_rows(run_dir: Path, rows: Iterable[TellingRow]) -> None:
    lines = (json.dumps({LINE: row["line"], **row["row"]}, ensure_ascii=False) for row in rows)
    (run_dir / ROWS_FILE).write_text("".join(f"{line}\n" for line in lines))


def prepared_rows(prepared: Prepared) -> list[Row]:
    """What the trainer made of the rows, held-out ones too. Packed rows hold several of those given."""
    return [*prepared.rows, *(prepared.eval_rows or ())]


def tokenised(prepared: Prepared) -> list[Row]:
    """Every telling row as the trainer tokenised it. Those that it packed are cut once more, each by itself."""
    if LINE in prepared.rows.column_names:
        return prepared_rows(prepared)
    trainer: Any = prepared.trainer
    return list(trainer._prepare_dataset(prepared.whole, prepared.tokenizer, trainer.args, False, None, "telling"))


def describe(run: RunFile, rows: Sequence[TellingRow], tokens: Sequence[Row]) -> list[TokenisedRow]:
    """In the order of the rows given. One that the trainer leaves out has no tokens left."""
    length = run.settings["data.max_length"]
    counts = {row[LINE]: _count(run, row) for row in tokens}
    return [
        TokenisedRow(
            line=row["line"],
            why=row["why"],
            tokens=min(counts[row["line"]][0], length) if row["line"] in counts else 0,
            trained_tokens=counts[row["line"]][1] if row["line"] in counts else 0,
            cut=row["line"] not in counts or counts[row["line"]][0] >= length,
        )
        for row in rows
    ]


def _count(run: RunFile, row: Row) -> tuple[int, int]:
    """Tokens that are read and tokens that are learnt. A row of exactly the length that is kept counts as cut."""
    if run.method != "dpo":
        return len(row["input_ids"]), sum(token != IGNORED for token in row["labels"])
    prompt, answers = len(row["prompt_ids"]), (row["chosen_ids"], row["rejected_ids"])
    room = max(0, run.settings["data.max_length"] - prompt)
    return prompt + max(map(len, answers)), sum(min(room, len(answer)) for answer in answers)


def length_of(run: RunFile, row: Row) -> int:
    most: int = run.settings["data.max_length"]
    return min(_count(run, row)[0], most)


def choose_for_steps(run: RunFile, rows: Sequence[Row], most: int, room: int) -> list[Row]:
    """At most `most` rows of at most `room` tokens, in the order of the steps: the longest with the shortest first.

    When all are longer, only the shortest: a step has to be made, however long it takes.
    """
    lengths = [length_of(run, row) for row in rows]
    rising = sorted(range(len(lengths)), key=lengths.__getitem__)
    fitting = [number for number in rising if lengths[number] <= room] or rising[:1]
    return [rows[number] for number in _alternate(fitting)[:most]]


def _alternate(rising: Sequence[int]) -> list[int]:
    """Longest, shortest, second longest, second shortest, ..."""
    half = len(rising) - len(rising) // 2
    falling, shortest = list(rising)[::-1][:half], list(rising)[: len(rising) - half]
    pairs = zip(falling, [*shortest, None], strict=False)
    return [number for pair in pairs for number in pair if number is not None]


def lighten(run: RunFile, row: Row, learnt: int) -> Row:
    """The row in its whole length, with at most `learnt` tokens to learn: each costs as the vocabulary is large.

    They are spread over those that the row teaches, and the last one, where an answer ends, is among them. Answers
    of a pair are cut instead, unless that would take away what distinguishes them.
    """
    if run.method == "dpo":
        chosen, rejected = row["chosen_ids"][:learnt], row["rejected_ids"][:learnt]
        return row if chosen == rejected else {**row, "chosen_ids": chosen, "rejected_ids": rejected}
    trained = [place for place, token in enumerate(row["labels"]) if token != IGNORED]
    kept = set(trained[:: -max(1, -(-len(trained) // learnt))])
    return {**row, "labels": [token if place in kept else IGNORED for place, token in enumerate(row["labels"])]}
