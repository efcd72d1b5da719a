"""Bytes that a run takes on the disk when it is fullest, in named parts, by arithmetic on what is saved.

Counted on what transformers 5.23 and PEFT 0.21 write; docs/performance.md has how well that meets real runs.
"""

from __future__ import annotations

from dataclasses import dataclass

from .memory import OPTIMIZER_COPIES, Part
from .words import count, magnitude

FLOAT32 = 4
KEPT_CHECKPOINTS = 2
"""The trainer's `save_total_limit`; one more is written before the oldest goes."""

BYTES_PER_TOKENIZER_ENTRY = 150
"""tokenizer.json with its merges, tokenizer_config.json and the rest: 72 to 140 for what people train."""

COPIES_OF_ROWS = {"sft": 7, "dpo": 6}
"""The rows beside the run, as a table, and tokenised, in bytes of the file.

Measured on 4 to 9 MB of English with SmolLM2's tokenizer, where a token has 4 letters.
"""


@dataclass(frozen=True)
class Saving:
    """What of a job decides its disk. `width` is bytes of a trained weight as it is saved.

    `checkpoints` are all that the run writes one after the other, `resumable` means with the optimizer's state.
    """

    trainable: int
    vocabulary: int
    width: int
    optimizer: str
    method: str
    rows_bytes: int
    checkpoints: int
    resumable: bool
    download: int = 0

    @property
    def weights(self) -> int:
        """What is trained, as it is saved: the adapter, or the whole model. The tokenizer lies beside it."""
        return self.trainable * self.width + self.vocabulary * BYTES_PER_TOKENIZER_ENTRY

    @property
    def checkpoint(self) -> int:
        state = OPTIMIZER_COPIES[self.optimizer] * self.trainable * self.width
        return self.weights + (int(state) if self.resumable else 0)


def fullest(saving: Saving) -> tuple[Part, ...]:
    """The parts that lie there at once when the disk is fullest; they add up.

    That is while the newest checkpoint is written and the oldest is still there, or at the end beside the result.
    """
    writing = min(saving.checkpoints, KEPT_CHECKPOINTS + 1)
    kept = min(saving.checkpoints, KEPT_CHECKPOINTS)
    if writing * saving.checkpoint > kept * saving.checkpoint + saving.weights:
        return (*_always(saving), *_checkpoints(saving, writing))
    how = f"{magnitude(saving.trainable)} × {saving.width} bytes, and the tokenizer"
    return (*_always(saving), *_checkpoints(saving, kept), Part("Result", saving.weights, how))


def _always(saving: Saving) -> tuple[Part, ...]:
    rows = Part("Rows", COPIES_OF_ROWS[saving.method] * saving.rows_bytes, "copied, as a table, and tokenised")
    download = (Part("Download", saving.download, "files of the model"),) if saving.download else ()
    return (*download, rows)


def _checkpoints(saving: Saving, number: int) -> tuple[Part, ...]:
    if not number:
        return ()
    what = "weights and optimizer" if saving.resumable else "weights"
    return (Part("Checkpoints", number * saving.checkpoint, f"{count(number, 'time')} {what}"),)
