"""The account of a dataset's rows as its page shows it: counts with what they mean, lengths, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from jobs.rulebook import SETTINGS
from models_catalog import catalogue

from . import accounting
from .accounting_question import PARAMETERS, Question
from .models import Accounting

KEPT_WHOLE = ("95", "99", "100")
"""Percent of the rows for which a length is offered that keeps them whole."""
SHORTEST = int(SETTINGS["data.max_length"].minimum or 1)
BARS_HIGH, BARS_WIDE = 100, 480
MEANS = {
    "end_cut": ("warning", "the end of what is to be learnt is cut off, so the model learns no end"),
    "cut": ("warning", "cut off"),
    "dropped": ("error", "left out, because nothing to learn is left after the cut"),
    "masked": ("error", "left out, because nothing to learn is in them"),
    "refused": ("error", "refused by the model's chat template"),
    "equal": ("warning", "both answers are the same"),
    "equal_cut": ("warning", "both answers are the same as far as they are kept"),
    "unknown": ("warning", "characters that the tokenizer lacks"),
}


@dataclass(frozen=True)
class Fact:
    """A count of rows with a tone, and the first of them (counted from 1)."""

    tone: str
    rows: int
    words: str
    first: tuple[int, ...]


@dataclass(frozen=True)
class Bar:
    x: float
    width: float
    y: float
    height: float
    title: str
    beyond: bool


@dataclass(frozen=True)
class Length:
    share: str
    tokens: int
    account: str
    job: str


def models_to_choose() -> list[str]:
    """Names of all models, those first whose files are here."""
    return [choice.name for choice in catalogue.choices()]


class AccountingPage:
    def __init__(self, question: Question) -> None:
        self.question = question
        self.account: Accounting | None = question.account

    @property
    def summary(self) -> dict[str, Any]:
        return (self.account and self.account.summary) or {}

    @property
    def progress(self) -> str:
        done, rows = (self.account.rows_done if self.account else 0), self.question.dataset.usable_rows
        return f"{done:,} of {rows:,} rows" if done else f"Reading {rows:,} rows"

    @cached_property
    def facts(self) -> list[Fact]:
        """What is to be said, the gravest first."""
        told = [
            Fact(tone, self.summary[name], words, tuple(row + 1 for row in self.summary["first"][name]))
            for name, (tone, words) in MEANS.items()
            if self.summary.get(name)
        ]
        return sorted(told, key=lambda fact: fact.tone != "error")

    @property
    def refusals(self) -> list[dict[str, Any]]:
        return [{**each, "rows": [row + 1 for row in each["rows"]]} for each in self.summary.get("refusals", ())]

    @property
    def lost(self) -> int:
        return int(self.summary["tokens"] - self.summary["kept_tokens"])

    @property
    def packed_share(self) -> int:
        """How full packed sequences would be, in percent."""
        share: float = self.summary["packing"]["share"]
        return round(100 * share)

    @property
    def steps(self) -> int | None:
        return accounting.steps_of(self.account, self.question.settings) if self.account and self.summary else None

    @property
    def max_length(self) -> int:
        return int(self.question.plan["max_length"])

    @property
    def bars(self) -> Iterator[Bar]:
        """The histogram, each bar as high as it has rows."""
        histogram = self.summary.get("histogram", [])
        most = max((rows for _, rows in histogram), default=1) or 1
        width = BARS_WIDE / max(1, len(histogram))
        begins = 1
        for place, (longest, rows) in enumerate(histogram):
            height = round(BARS_HIGH * rows / most, 2)
            title = f"{begins:,} to {longest:,} tokens: {rows:,} rows"
            yield Bar(round(place * width, 2), round(width * 0.9, 2), BARS_HIGH - height, height, title,
                      begins > self.max_length)  # fmt: skip
            begins = longest + 1

    @property
    def lengths(self) -> Iterator[Length]:
        """What would keep so many rows whole, with where to account for it and where to use it."""
        lengths = self.summary.get("lengths", {})
        shares = {max(SHORTEST, lengths[share]): share for share in KEPT_WHOLE if share in lengths}
        here = reverse("datasets:accounting", args=[self.question.dataset.pk])
        for tokens, share in shares.items():
            yield Length(share, tokens, here + self.question.with_changes(max_length=tokens), self.job(tokens))

    def job(self, max_length: int) -> str:
        """A new job with this dataset, this model and that length."""
        given = {PARAMETERS[name]: value for name, value in self.question.given.items()}
        asked = {"data.dataset": self.question.dataset.pk, "model.name": self.question.model.name, **given}
        return reverse("jobs:new") + "?" + urlencode(asked | {"data.max_length": max_length})
