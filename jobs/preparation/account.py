"""Prepares every row of a dataset once and keeps account of each: a task of the warm process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from models_catalog.inspection.tokenizer import end_token, load_tokenizer, stop_tokens

from .answers import Way, way_of
from .plan import Plan
from .prepare import Failed, prepare
from .summary import FIRST, summarise
from .table import Table

BATCH_ROWS, BATCH_BYTES = 128, 4 * 1024**2
"""Rows are prepared so many at a time, of at most so many bytes unless one alone has more: memory stays bounded."""
MOST_REFUSALS = 8
"""Different words of a template that are kept; published templates have one or two."""
PAUSE = 0.5
"""Seconds between two notes of how far it has come."""

Batch = list[dict[str, Any]]


def account(model_folder: str, rows_file: str, plan: dict[str, Any], arrays: str, progress: str) -> dict[str, Any]:
    """Account for the rows in `rows_file` (JSON lines) and write their table to `arrays`; see summary.py.

    The answer also tells how answers were found (`answers`, `reason`) and what the template refuses (`refusals`).
    `progress` is a file into which the number of rows done is written now and then.
    """
    began = time.perf_counter()
    tokenizer = tokenizer_of(Path(model_folder))
    asked, note = Plan(**plan), _Note(Path(progress))
    done, way, reason = _accounted(tokenizer, asked, Path(rows_file), note)
    done.table.save(Path(arrays))
    return {
        **summarise(done.table.arrays(), asked),
        "plan": asdict(asked),
        "answers": way.how if way else "",
        "reason": reason,
        "inexact": done.inexact,
        "refusals": done.refusals,
        "seconds": round(time.perf_counter() - began, 3),
    }


def tokenizer_of(folder: Path) -> PreTrainedTokenizerBase:
    """As the trainer has it: with an end token, where the model names one and the tokenizer does not."""
    tokenizer = load_tokenizer(folder)
    if tokenizer.eos_token is None and (end := end_token(tokenizer, stop_tokens(folder, tokenizer))):
        tokenizer.eos_token = end
    return tokenizer


def unknown_token(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """What stands for characters that the tokenizer lacks; None where it lacks none.

    Tokenizers of bytes name their end of text there as well, only because the place must not be empty.
    """
    unknown = tokenizer.unk_token_id
    if unknown is None or unknown in (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id):
        return None
    model: Any = tokenizer.backend_tokenizer.model if isinstance(tokenizer, PreTrainedTokenizerFast) else None
    return None if isinstance(model, BPE) and model.unk_token is None else int(unknown)


class Accounted:
    """The table of the rows so far, what the template said to those that it refused, and the first inexact row."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, plan: Plan, way: Way | None) -> None:
        self.tokenizer, self.plan, self.way = tokenizer, plan, way
        self.table = Table(plan, unknown_token(tokenizer))
        self.inexact = ""
        self._words: Counter[str] = Counter()
        self._rows: dict[str, list[int]] = {}

    def add(self, rows: Batch) -> None:
        for row in prepare(self.tokenizer, self.plan, rows, self.way):
            if isinstance(row, Failed):
                self._refuse(row)
            self.table.add(row)

    def _refuse(self, row: Failed) -> None:
        if row.inexact:
            self.inexact = self.inexact or f"row {len(self.table) + 1:,}: {row.words}"
        words = row.words if row.words in self._words or len(self._words) < MOST_REFUSALS else "other reasons"
        self._words[words] += 1
        named = self._rows.setdefault(words, [])
        if len(named) < FIRST:
            named.append(len(self.table))

    @property
    def refusals(self) -> list[dict[str, Any]]:
        """The most frequent first; `rows` are the numbers of the first ones, from 0."""
        return [
            {"words": words, "count": count, "rows": self._rows[words]} for words, count in self._words.most_common()
        ]


def _accounted(
    tokenizer: PreTrainedTokenizerBase, plan: Plan, file: Path, note: _Note
) -> tuple[Accounted, Way | None, str]:
    """Answers alone, where that is wanted and exact. Where nobody asked for it, one inexact row is enough not to."""
    if not plan.looks_for_answers:
        return _run(tokenizer, plan, None, file, note), None, _why_not(plan)
    way = way_of(tokenizer)
    optional = plan.answers_only is None
    done = _run(tokenizer, plan, way, file, note, until_inexact=optional)
    if not done.inexact or not optional:
        return done, way, f"Answers only, because {way.words}."
    reason = f"Every turn is trained, because the answers cannot be told exactly ({done.inexact})."
    return _run(tokenizer, plan.on_every_turn(), None, file, note), None, reason


def _why_not(plan: Plan) -> str:
    if plan.format == "messages" and plan.conversational:
        return "Every turn is trained, as asked for."
    return "Only completions are trained." if plan.masks_prompts else ""


def _run(
    tokenizer: PreTrainedTokenizerBase,
    plan: Plan,
    way: Way | None,
    file: Path,
    note: _Note,
    *,
    until_inexact: bool = False,
) -> Accounted:
    done = Accounted(tokenizer, plan, way)
    for batch in batches(file):
        done.add(batch)
        note(len(done.table))
        if until_inexact and done.inexact:
            break
    return done


def batches(file: Path) -> Iterator[Batch]:
    decode: Callable[[bytes], dict[str, Any]] = msgspec.json.decode
    rows: Batch = []
    size = 0
    with file.open("rb") as lines:
        for line in lines:
            rows.append(decode(line))
            size += len(line)
            if len(rows) >= BATCH_ROWS or size >= BATCH_BYTES:
                yield rows
                rows, size = [], 0
    if rows:
        yield rows


class _Note:
    """Writes a number into a file, seldom enough not to cost anything."""

    def __init__(self, path: Path) -> None:
        self.path, self.due = path, 0.0

    def __call__(self, rows: int) -> None:
        if time.monotonic() >= self.due:
            self.due = time.monotonic() + PAUSE
            self.path.write_text(str(rows))
