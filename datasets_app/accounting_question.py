"""What somebody wants accounted for: a model and the settings that matter, read from an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from finetune_site.problems import Problem, problem
from jobs.rulebook import SETTINGS, read
from jobs.rulebook.findings import Finding, Severity
from models_catalog import catalogue
from models_catalog.models import BaseModel

from . import accounting
from .models import Accounting, Dataset, Format

PARAMETERS = {
    "max_length": "data.max_length",
    "method": "training.method",
    "assistant_only_loss": "data.assistant_only_loss",
    "completion_only_loss": "data.completion_only_loss",
}


@dataclass(frozen=True)
class Question:
    """`settings` are those of PARAMETERS by their dotted names, defaults filled in."""

    dataset: Dataset
    model: BaseModel
    revision: str
    settings: Mapping[str, Any]
    given: Mapping[str, str]

    @classmethod
    def of(cls, dataset: Dataset, asked: Mapping[str, str]) -> Question:
        """Read the parameters of an address. Raises `Problem` with a finding on each that makes no sense."""
        model = catalogue.find(asked.get("model", ""))
        if model is None:
            message = f"There is no model called “{asked.get('model', '')[:100]}”. Choose one of the catalogue."
            raise problem("model", "accounting.no-model", message)
        given = {name: asked[name].strip() for name in PARAMETERS if asked.get(name, "").strip()}
        method = "dpo" if dataset.format == Format.PREFERENCE else "sft"
        choices = read({PARAMETERS[name]: value for name, value in {"method": method, **given}.items()})
        wrong = [
            Finding("accounting.unreadable", Severity.ERROR, path, f"“{value}” was given; it must be {expected}.")
            for path, value, expected in choices.unreadable
        ] or [
            Finding("accounting.out-of-bounds", Severity.ERROR, path, f"{value} is out of bounds. {SETTINGS[path].why}")
            for path, value in choices.values.items()
            if SETTINGS[path].has_limits and not SETTINGS[path].admits(value)
        ]
        if wrong:
            raise Problem(wrong[0].message, wrong)
        return cls(dataset, model, asked.get("revision", "")[:200], choices.effective, given)

    @property
    def plan(self) -> dict[str, Any]:
        return accounting.plan_of(self.dataset, self.settings)

    @cached_property
    def account(self) -> Accounting | None:
        return accounting.at_hand(self.dataset, self.model, self.plan, self.revision or None)

    def begin(self) -> Accounting:
        """Raises `Problem`."""
        return accounting.account_for(self.dataset, self.model, self.plan, self.revision or None)

    @property
    def address(self) -> str:
        """The same question as the end of an address."""
        return self.with_changes()

    def with_changes(self, **changes: Any) -> str:
        asked = {"model": self.model.name, "revision": self.revision, **self.given, **changes}
        return "?" + urlencode({name: value for name, value in asked.items() if value not in ("", None)})
