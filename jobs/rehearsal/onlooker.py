"""Looks on while the real trainer works on the stand-in: what it tokenised, and what became of the weights."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from jobs.trainer import checks
from jobs.trainer.endings import Endings, count_endings, stop_tokens
from jobs.trainer.loading import embedding_rows
from jobs.trainer.run import Prepared
from jobs.trainer.run_file import RunFile

from .document import TellingRow, TokenisedRow
from .proofs import strengthen
from .rows import choose_for_steps, describe, lighten, prepared_rows, tokenised
from .script import STEPS

MOST_TOKENS = 4096
"""Of a row in a step, where there is a shorter one. Recurrent layers take a row token by token on a processor."""
MOST_LOGITS = 2**24
"""Tokens that are learnt in all, times the vocabulary. One costs about 60 ns of a core, so they cost a second."""
PROBE = 32
"""Tokens on which models are compared."""


class Onlooker(TrainerCallback):
    def __init__(self, run: RunFile, run_dir: Path, given: Sequence[TellingRow]) -> None:
        self.run, self.run_dir, self.given = run, run_dir, given
        self.rows: list[TokenisedRow] = []
        self.endings = Endings()
        self.stops: list[str] = []
        self.before: Mapping[str, Tensor] = {}
        self._prepared: Prepared | None = None
        self.trained_at = 0.0

    @property
    def prepared(self) -> Prepared:
        """Raises RuntimeError when the trainer never came so far."""
        if self._prepared is None:
            raise RuntimeError("Nothing was looked at yet.")
        return self._prepared

    def look(self, prepared: Prepared) -> None:
        """Note how the rows were tokenised, and put those that hurt into the two steps."""
        self._prepared = prepared
        rows = tokenised(prepared)
        self.rows = describe(self.run, self.given, rows)
        table = Dataset.from_list([_tokens_of(row) for row in rows])
        checks.require_known_tokens(self.run, table, embedding_rows(_base(prepared)))
        self._look_for_ends(prepared, table)
        self._choose_steps(prepared)
        if not isinstance(prepared.model, PeftModel):
            self.before = {name: weight.detach().clone() for name, weight in prepared.model.named_parameters()}
        prepared.trainer.add_callback(self)

    def _look_for_ends(self, prepared: Prepared, rows: Dataset) -> None:
        stops = stop_tokens(_base(prepared), prepared.tokenizer)
        self.endings = count_endings(self.run, rows, stops, prepared.tokenizer)
        self.stops = [str(prepared.tokenizer.convert_ids_to_tokens(token)) for token in sorted(stops)]

    def _choose_steps(self, prepared: Prepared) -> None:
        trainer: Any = prepared.trainer
        size = trainer.args.per_device_train_batch_size * trainer.args.gradient_accumulation_steps * STEPS
        chosen = choose_for_steps(self.run, prepared_rows(prepared), size, MOST_TOKENS)
        light = [lighten(self.run, row, self._learnt_of_each(prepared, size)) for row in chosen]
        trainer.train_dataset = Dataset.from_list(light)
        trainer.args.train_sampling_strategy = "sequential"
        if prepared.eval_rows is not None:
            prepared.eval_rows = trainer.eval_dataset = Dataset.from_list(light[-1:])

    def _learnt_of_each(self, prepared: Prepared, rows: int) -> int:
        """Tokens to learn from each row. Of a pair both answers are scored, by the model and by its reference."""
        scored = 4 * rows if self.run.method == "dpo" else rows
        return max(1, MOST_LOGITS // embedding_rows(_base(prepared)) // scored)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.trained_at = time.monotonic()
        if isinstance(self.prepared.model, PeftModel):
            strengthen(self.prepared.model)

    def probe(self) -> Tensor:
        """Some tokens of a row that was trained on."""
        trainer: Any = self.prepared.trainer
        row = trainer.train_dataset[0]
        tokens = row["input_ids"] if "input_ids" in row else row["prompt_ids"] + row["chosen_ids"]
        return torch.tensor([tokens[:PROBE]])


def _base(prepared: Prepared) -> Any:
    model: Any = prepared.model
    return model.get_base_model() if isinstance(model, PeftModel) else model


def _tokens_of(row: Mapping[str, Any]) -> dict[str, Any]:
    columns = ("input_ids", "labels", "prompt_ids", "chosen_ids", "rejected_ids")
    return {name: row[name] for name in columns if name in row}
