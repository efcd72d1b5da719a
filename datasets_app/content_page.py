"""What was found in the texts of a dataset, and its figures as bars ready to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma

from .models import Dataset
from .survey import survey_of

WIDTH, HEIGHT = 300, 80
"""Units of a drawing; the pages' security policy allows no inline style, so all is said in attributes."""
GAP = 2


@dataclass(frozen=True)
class Bar:
    """One column of a plot. Numbers are attributes of SVG, so they are text, whatever the language of the page."""

    label: str
    rows: int
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True)
class Plot:
    title: str
    unit: str
    bars: tuple[Bar, ...]

    @property
    def words(self) -> str:
        """The plot for those who cannot see it."""
        return f"{self.title}: " + ", ".join(f"{bar.label} {self.unit}: {intcomma(bar.rows)}" for bar in self.bars)

    @property
    def first(self) -> str:
        return self.bars[0].label

    @property
    def last(self) -> str:
        return self.bars[-1].label


@dataclass(frozen=True)
class ContentPage:
    rows: int
    advice: list[dict[str, Any]]
    plots: list[Plot]

    @classmethod
    def of(cls, dataset: Dataset) -> ContentPage | None:
        """None while the rows have not been looked through."""
        found = survey_of(dataset)
        if found is None:
            return None
        figures = found["figures"]
        lengths = [(f"{intcomma(low)}–{intcomma(high)}", rows) for low, high, rows in figures["lengths"]]
        turns = [(f"{number}" if number < 20 else "20 or more", rows) for number, rows in figures["turns"]]
        plots = [
            _plot("Rows by length", "characters", lengths),
            _plot("Rows by turns", "turns", turns),
            _plot("Turns by role", "", figures["roles"]),
        ]
        return cls(found["rows"], found["advice"], [plot for plot in plots if len(plot.bars) > 1])


def _plot(title: str, unit: str, counts: Sequence[Sequence[Any]]) -> Plot:
    most = max((rows for _, rows in counts), default=0) or 1
    step = WIDTH / max(1, len(counts))
    bars = []
    for number, (label, rows) in enumerate(counts):
        height = max(1.0, HEIGHT * rows / most) if rows else 0.0
        place = (number * step, HEIGHT - height, max(1.0, step - GAP), height)
        bars.append(Bar(str(label), rows, *(f"{each:.1f}" for each in place)))
    return Plot(title, unit, tuple(bars))
