"""A prompt, an answer, and whether it is a good one. Such rows cannot be trained on, but turned into what can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..problems import BadRow
from ..tally import Tally
from .base import RowFormat
from .prompt_completion import Pair, PromptCompletion

LABELS: Mapping[str, bool] = {"true": True, "false": False, "1": True, "0": False}
AS_WRITTEN = frozenset({b"true", b"false", b"0", b"1", b'"0"', b'"1"'}) | {
    f'"{word}"'.encode() for word in ("true", "false", "True", "False", "TRUE", "FALSE")
}


class Judged(msgspec.Struct, gc=False):
    pair: Pair
    label: bool

    @property
    def prompt(self) -> Any:
        return self.pair.prompt

    @property
    def completion(self) -> Any:
        return self.pair.completion


class UnpairedPreference(RowFormat[Judged]):
    """Also the layout `kto`: the two only differ in how they are called."""

    name = "unpaired_preference"
    layout = "kto"
    columns = ("prompt", "completion", "label")

    def __init__(self, *, conversational: bool) -> None:
        super().__init__()
        self.pairs = PromptCompletion(conversational=conversational)
        self.renamed = self.pairs.renamed
        self._label = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

    @classmethod
    def recognises(cls, fields: Mapping[str, bytes]) -> bool:
        return super().recognises(fields) and fields["label"] in AS_WRITTEN

    @classmethod
    def is_conversational(cls, fields: Mapping[str, bytes]) -> bool:
        return PromptCompletion.is_conversational(fields)

    def read(self, raw: bytes) -> Judged:
        pair = self.pairs.read(raw)
        written = self._label(raw).get("label")
        return Judged(pair, label_of(msgspec.json.decode(written) if written else None))

    def measure(self, row: Judged, size: int, tally: Tally) -> None:
        self.pairs.measure(row.pair, size, tally)
        tally.labels[row.label] += 1

    def plain(self, row: Judged) -> dict[str, Any]:
        return {**self.pairs.plain(row.pair), "label": row.label}


def label_of(written: Any) -> bool:
    """Whether an answer is a good one, as 1 or 0 and as text too."""
    label = LABELS.get(str(written).strip().lower())
    if label is None:
        raise BadRow("no-label", "'label' must be true for a good answer and false for a bad one. Write it so.")
    return label
