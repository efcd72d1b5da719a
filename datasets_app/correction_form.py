"""The form of a corrected copy: which classes of rows there are, and what can be done about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .corrections import DROP, KEEP, REPAIR, Trial, actions, found_classes, usual_choices
from .models import Dataset
from .repairs import FAULTS, ODD, Fault

NOTHING: Mapping[str, str] = {}
BY_CONVERSATION = ("other-roles", "same-role", "open-end")
"""Oddities of rows that are lists of messages."""


@dataclass(frozen=True)
class Choice:
    """One class of rows with what can be done about it: value and words."""

    fault: Fault
    rows: int | None
    options: list[tuple[str, str]]
    chosen: str

    @property
    def name(self) -> str:
        return f"choices.{self.fault.code}"


@dataclass(frozen=True)
class Told:
    """How many rows of one class a trial has met."""

    fault: Fault
    rows: int


@dataclass(frozen=True)
class CorrectionForm:
    bad: list[Choice]
    odd: list[Choice]
    trial: Trial | None = None

    @classmethod
    def of(
        cls, dataset: Dataset, chosen: Mapping[str, str] | None = None, trial: Trial | None = None
    ) -> CorrectionForm:
        wanted = usual_choices() | dict(chosen or {})
        bad = [_choice(fault, number, wanted) for fault, number in found_classes(dataset)]
        odd = [_choice(fault, None, wanted) for fault in ODD.values() if _concerns(fault, dataset)]
        return cls(bad, odd, trial)

    @property
    def told(self) -> list[Told]:
        by_code = self.trial.report.by_code if self.trial else {}
        return [Told(FAULTS[code], number) for code, number in by_code.items()]


def given_choices(sent: Mapping[str, Any]) -> dict[str, str]:
    """The choices of a form that was sent."""
    return {name.removeprefix("choices."): value for name, value in sent.items() if name.startswith("choices.")}


def _choice(fault: Fault, rows: int | None, wanted: Mapping[str, str]) -> Choice:
    words = {REPAIR: fault.repair, DROP: "Leave such rows out", KEEP: "Leave them as they are"}
    return Choice(fault, rows, [(each, words[each]) for each in actions(fault)], wanted[fault.code])


def _concerns(fault: Fault, dataset: Dataset) -> bool:
    if fault.code == "equal-pair":
        return dataset.format == "preference"
    return dataset.conversational or fault.code not in BY_CONVERSATION
