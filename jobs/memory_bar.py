"""The memory of a job as a bar of named shares against each place where it could run, ready to be drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import humanize
from django.utils.text import slugify

from .rulebook.estimate import Estimate, Place
from .rulebook.memory import Part
from .rulebook.words import names

WIDTH = 1000
"""Units across a drawn bar. Widths are attributes of SVG shapes: the pages' security policy allows no inline style."""
VERDICTS = {
    "fits": ("fits", "is-good"),
    "tight": ("tight", "is-warn"),
    "exceeded": ("does not fit", "is-bad"),
    "unknown": ("not known", "is-still"),
}


@dataclass(frozen=True)
class Share:
    """One part of the memory and where it lies on the bar."""

    name: str
    size: str
    how: str
    start: str
    width: str

    @property
    def kind(self) -> str:
        """What colours it: parts of the same name look the same on every bar."""
        return slugify(self.name)


@dataclass(frozen=True)
class Bar:
    """The shares on the scale of one place. `limit` is where its memory ends, if that is not the end of the bar."""

    title: str
    memory: str
    verdict: str
    tone: str
    shares: tuple[Share, ...]
    limit: str
    total: str

    @property
    def words(self) -> str:
        """The bar for those who cannot see it."""
        shares = names([f"{share.name} {share.size}" for share in self.shares])
        of = f" of {self.memory}" if self.memory else ""
        return f"{self.total}{of}: {shares}"


def memory_bars(estimate: Estimate) -> list[Bar]:
    """A bar for each place, alike GPUs together; one without a place where none is known, none without an estimate."""
    if not estimate.memory:
        return []
    if not estimate.gpus:
        return [_bar(estimate.memory, "", None, "unknown")]
    alike = groupby(estimate.gpus, key=lambda place: (place.name, place.memory, place.verdict))
    return [_bar(estimate.memory, _title(list(places)), memory, verdict) for (_, memory, verdict), places in alike]


def _title(places: Sequence[Place]) -> str:
    first = places[0]
    if first.index is None:
        return first.name or "Memory of this machine"
    numbers = names([str(place.index) for place in places])
    return f"GPU{'s' if len(places) > 1 else ''} {numbers} · {first.name}"


def _bar(parts: Sequence[Part], title: str, memory: int | None, verdict: str) -> Bar:
    total = sum(part.bytes for part in parts)
    scale = max(total, memory or 0) or 1
    word, tone = VERDICTS[verdict]
    return Bar(
        title=title,
        memory=humanize.naturalsize(memory) if memory else "",
        verdict=word if title else "",
        tone=tone,
        shares=tuple(_shares(parts, scale)),
        limit=_at(memory / scale) if memory and memory < total else "",
        total=humanize.naturalsize(total),
    )


def _shares(parts: Sequence[Part], scale: int) -> Iterator[Share]:
    start = 0
    for part in parts:
        size = humanize.naturalsize(part.bytes)
        yield Share(part.name, size, part.how, _at(start / scale), _at(part.bytes / scale))
        start += part.bytes


def _at(share: float) -> str:
    return f"{WIDTH * share:.1f}"
