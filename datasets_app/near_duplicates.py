"""How many rows of a sample are nearly the same as another: MinHash over runs of words, compared where bands agree.

A. Broder, "On the resemblance and containment of documents", 1997. Plain Python with numpy.
"""

from __future__ import annotations

import random
import re
from itertools import combinations
from zlib import crc32

import numpy
from numpy.typing import NDArray

SAMPLE = 1000
"""Rows that are compared, drawn evenly from all."""
WORDS = 3
"""Words that stand together; rows share most of these runs when they are nearly the same."""
MOST_RUNS = 200
HASHES, BANDS = 32, 8
ALIKE = 0.8
"""Share of hashes that agree, which estimates the share of runs that two rows have in common."""
BUCKET = 50
_PRIME = numpy.uint64(4_294_967_311)
_WORD = re.compile(r"\w+")


class NearDuplicates:
    """Draws a sample of all rows as they come (reservoir sampling) and compares it in the end."""

    def __init__(self) -> None:
        self._random = random.Random(1)  # noqa: S311 - the same rows give the same sample
        self._rows = 0
        self._sample: list[tuple[int, str]] = []

    def add(self, line: int, text: str) -> None:
        self._rows += 1
        if len(self._sample) < SAMPLE:
            self._sample.append((line, text[:4000]))
        elif (at := self._random.randrange(self._rows)) < SAMPLE:
            self._sample[at] = (line, text[:4000])

    def result(self) -> tuple[int, int, list[tuple[int, str]]]:
        """Rows compared, those that are nearly the same as another, and a few of these by line."""
        told = [(line, text, runs) for line, text in self._sample if len(runs := _runs(text))]
        if len(told) < 2:
            return len(told), 0, []
        hashes = _min_hashes([runs for _, _, runs in told])
        alike = _alike(hashes)
        examples = sorted((told[at][0], told[at][1][:100].replace("\n", " ")) for at in alike)[:3]
        return len(told), len(alike), examples


def _runs(text: str) -> NDArray[numpy.uint64]:
    """The runs of words of a text, each as a number. Texts of fewer words have none."""
    words = _WORD.findall(text.lower())[: MOST_RUNS + WORDS - 1]
    runs = {crc32(" ".join(words[at : at + WORDS]).encode()) for at in range(len(words) - WORDS + 1)}
    return numpy.fromiter(runs, dtype=numpy.uint64, count=len(runs))


def _min_hashes(rows: list[NDArray[numpy.uint64]]) -> NDArray[numpy.uint64]:
    drawn = random.Random(2)  # noqa: S311
    factors = numpy.array([drawn.randrange(1, 2**31) for _ in range(HASHES)], dtype=numpy.uint64)[:, None]
    offsets = numpy.array([drawn.randrange(2**31) for _ in range(HASHES)], dtype=numpy.uint64)[:, None]
    return numpy.array([((factors * runs + offsets) % _PRIME).min(axis=1) for runs in rows])


def _alike(hashes: NDArray[numpy.uint64]) -> set[int]:
    """Rows that agree with another in most hashes; only those that agree in a whole band are compared."""
    alike: set[int] = set()
    for band in numpy.split(hashes, BANDS, axis=1):
        buckets: dict[bytes, list[int]] = {}
        for at, part in enumerate(band):
            buckets.setdefault(part.tobytes(), []).append(at)
        for bucket in buckets.values():
            for one, other in combinations(bucket[:BUCKET], 2):
                if not {one, other} <= alike and (hashes[one] == hashes[other]).mean() >= ALIKE:
                    alike |= {one, other}
    return alike
