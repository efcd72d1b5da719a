"""Bytes that a run takes on the disk when it is fullest, in named parts, by arithmetic on what is saved.

Counted on what transformers 5.23 and PEFT 0.21 write; docs/performance.md has how well that meets real runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .memory import OPTIMIZER_COPIES, Part
from .words import count, magnitude

FLOAT32 = 4
KEPT_CHECKPOINTS = 2
"""As the trainer keeps them (checkpoints.KEPT); one more is written before the oldest goes."""
CHECKPOINT_SECONDS = 600
"""Between two that come by time, unless the portal is set up otherwise."""

BYTES_PER_TOKENIZER_ENTRY = 150
"""tokenizer.json with its merges, tokenizer_config.json and the rest: 72 to 140 for what people train."""

COPIES_OF_ROWS = {"sft": 7, "dpo": 6}
"""The rows beside the run, as a table, and tokenised, in bytes of the file.

Measured on 4 to 9 MB of English with SmolLM2's tokenizer, where a token has 4 letters.
"""


@dataclass(frozen=True)
class Saving:
    """What of a job decides its disk. `width` is bytes of a trained weight as it is saved.

    `checkpoints` are all that the run must write one after the other, `by_time` those that it writes where there is
    room, so that it can go on after an interruption.
    """

    trainable: int
    vocabulary: int
    width: int
    optimizer: str
    method: str
    rows_bytes: int
    checkpoints: int
    by_time: int = 0
    download: int = 0

    @property
    def weights(self) -> int:
        """What is trained, as it is saved: the adapter, or the whole model. The tokenizer lies beside it."""
        return self.trainable * self.width + self.vocabulary * BYTES_PER_TOKENIZER_ENTRY

    @property
    def checkpoint(self) -> int:
        state = OPTIMIZER_COPIES[self.optimizer] * self.trainable * self.width
        return self.weights + int(state)


def fullest(saving: Saving) -> tuple[Part, ...]:
    """The parts that lie there at once when the disk is fullest; they add up.

    That is while the newest checkpoint is written and the oldest is still there, or at the end beside the result.
    """
    checkpoints = max(saving.checkpoints, saving.by_time)
    writing, kept = min(checkpoints, KEPT_CHECKPOINTS + 1), min(checkpoints, KEPT_CHECKPOINTS)
    if writing * saving.checkpoint > kept * saving.checkpoint + saving.weights:
        return (*_always(saving), *_checkpoints(saving, writing))
    how = f"{magnitude(saving.trainable)} × {saving.width} bytes, and the tokenizer"
    return (*_always(saving), *_checkpoints(saving, kept), Part("Result", saving.weights, how))


def least(saving: Saving) -> tuple[Part, ...]:
    """The same without checkpoints that come by time: what there must be room for, or the run fails."""
    return fullest(replace(saving, by_time=0))


def _always(saving: Saving) -> tuple[Part, ...]:
    rows = Part("Rows", COPIES_OF_ROWS[saving.method] * saving.rows_bytes, "copied, as a table, and tokenised")
    download = (Part("Download", saving.download, "files of the model"),) if saving.download else ()
    return (*download, rows)


def _checkpoints(saving: Saving, number: int) -> tuple[Part, ...]:
    if not number:
        return ()
    how = f"{count(number, 'time')} weights and optimizer"
    return (Part("Checkpoints", number * saving.checkpoint, how),)
