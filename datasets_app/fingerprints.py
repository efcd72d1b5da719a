"""Eight bytes that stand for a row, so that equal ones are found among millions in little memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy
from numpy.typing import NDArray

from .side_files import PRINTS, write_side_file

Prints = NDArray[numpy.uint64]
RECENT = 200_000
"""So many are held as Python numbers before they are sorted into the array of the others."""


def fingerprint(value: Any, seed: str = "") -> int:
    """Of any JSON value. Two different ones of ten million share theirs with a chance of one in 300,000."""
    digest = blake2b(msgspec.json.encode(value), digest_size=8, key=seed.encode()[:64]).digest()
    return int.from_bytes(digest, "little")


def question(row: Mapping[str, Any]) -> Any:
    """What a row asks: its prompt, or what users say before the first answer; None in plain text."""
    if "prompt" in row:
        return row["prompt"] or None
    asked: list[str] = []
    for turn in row.get("messages", ()):
        if turn["role"] == "assistant":
            break
        if turn["role"] == "user":
            asked.append(turn["content"])
    return asked or None


def prints(values: Iterable[int]) -> Prints:
    """As an array, in the order given."""
    return numpy.frombuffer(array("Q", values), dtype=numpy.uint64)


class RowPrints:
    """Of all good rows of a file: the row, its question (0 where it has none), its line."""

    def __init__(self) -> None:
        self.rows, self.questions, self.lines = array("Q"), array("Q"), array("Q")

    def add(self, line: int, row: Mapping[str, Any]) -> None:
        asked = question(row)
        self.rows.append(fingerprint(row))
        self.questions.append(0 if asked is None else fingerprint(asked))
        self.lines.append(line)

    def repeats(self) -> tuple[int, int]:
        """Rows that are equal to an earlier one, and how often the most frequent row is there."""
        times = numpy.unique(numpy.frombuffer(self.rows, dtype=numpy.uint64), return_counts=True)[1]
        return len(self.rows) - len(times), int(times.max()) if len(times) else 0

    def save(self, path: Path) -> Path:
        """Keep them beside the file at `path`."""
        return write_side_file(path, PRINTS, (each.tobytes() for each in (self.rows, self.questions, self.lines)))


class Seen:
    """Which fingerprints have been met. About ten bytes for each, and 20 MB for the most recent."""

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._settled = prints(())

    def add(self, fingerprint: int) -> bool:
        """Whether it is new."""
        if fingerprint in self._recent or self._is_settled(fingerprint):
            return False
        self._recent.add(fingerprint)
        if len(self._recent) >= RECENT:
            self._settled = numpy.sort(numpy.concatenate([self._settled, prints(self._recent)]))
            self._recent.clear()
        return True

    def _is_settled(self, fingerprint: int) -> bool:
        if not len(self._settled):
            return False
        wanted = numpy.uint64(fingerprint)
        at = int(self._settled.searchsorted(wanted))
        return at < len(self._settled) and bool(self._settled[at] == wanted)
