"""What the page of a new job shows around its fields: sections, facts, verdict, summary."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from models_catalog.lora_tree import LoraTree, lora_tree

from .accounted import Accounted, accounted
from .display import Cost, Row, estimate_rows, group_title, rows
from .fact_boxes import FactBox, fact_boxes
from .forms import CARDS, JobForm, SettingBoundField, Stage
from .memory_bar import Bar, memory_bars
from .models import Trial
from .rulebook import Severity
from .rulebook.settings_table import SETTINGS
from .shown_findings import ShownFinding, input_id, stored_finding
from .shown_rehearsal import TRIES, ShownRehearsal, shown_rehearsal

MODEL_AND_DATA = ("model.name", "data.dataset", "name")
Fields = list[SettingBoundField]


def _same(asked: Any, chosen: Any) -> bool:
    """The same choices, although one of them was stored as JSON."""
    return bool(json.loads(json.dumps(asked)) == json.loads(json.dumps(chosen)))


class JobPage:
    """The form of a job as its templates read it. `drawn` are the fields an answer draws again."""

    tries = TRIES

    def __init__(self, form: JobForm, drawn: Iterable[str] = (), trial: Trial | None = None) -> None:
        """`trial` is the rehearsal that was asked for last; it counts as long as nothing was changed since."""
        self.form = form
        self.drawn_paths = set(drawn)
        self.trial = trial if trial and _same(trial.choices, form.choices.values) else None

    def _fields(self, paths: Iterable[str]) -> Fields:
        return [self.form[path] for path in paths]  # type: ignore[misc]  # fields of JobForm bind to SettingBoundField

    @property
    def model_and_data(self) -> Fields:
        return self._fields(MODEL_AND_DATA)

    @property
    def method_and_strategy(self) -> Fields:
        return self._fields(CARDS)

    @property
    def training(self) -> Fields:
        placed = {*MODEL_AND_DATA, *CARDS}
        plain = (p for p, s in SETTINGS.items() if s.group in ("data", "training") and not s.advanced)
        return self._fields(path for path in plain if path not in placed)

    @property
    def lora(self) -> Fields:
        return self._fields(path for path, s in SETTINGS.items() if s.group == "lora" and not s.advanced)

    @property
    def advanced(self) -> list[tuple[str, Fields]]:
        by_group: dict[str, list[str]] = {}
        for path, setting in SETTINGS.items():
            if setting.advanced:
                by_group.setdefault(group_title(setting), []).append(path)
        return [(title, self._fields(paths)) for title, paths in by_group.items()]

    @property
    def advanced_has_errors(self) -> bool:
        return any(field.worst == Severity.ERROR for _, fields in self.advanced for field in fields)

    @property
    def model_switched(self) -> bool:
        return "model.name" in self.form.altered

    @property
    def model_chosen(self) -> bool:
        return bool(self.form.review.facts.get("model_listed"))

    @property
    def drawn(self) -> Fields:
        """Fields drawn again on their own; the cards always are, LoRA's whole part when the model was switched."""
        paths = self.drawn_paths - set(CARDS)
        lora = {field.name for field in self.lora} if self.model_switched else set()
        return self._fields(path for path in SETTINGS if path in paths - lora)

    @property
    def undrawn(self) -> Fields:
        """Fields whose input stays; only what is said about them is drawn."""
        drawn = self.drawn_paths | set(CARDS)
        drawn |= {field.name for field in self.lora} if self.model_switched else set()
        return self._fields(path for path in SETTINGS if path not in drawn)

    @cached_property
    def tree(self) -> LoraTree | None:
        """The model's modules, ticked as the targets say; None without LoRA or as long as nothing is known of them."""
        facts = self.form.review.facts
        if not facts.get("lora_enabled"):
            return None
        rank = facts.get("lora_r")
        return lora_tree(
            facts,
            facts.get("target_modules") or (),
            rank=rank if isinstance(rank, int) and rank > 0 else 1,
            dora=bool(facts.get("use_dora")),
        )

    @property
    def accounted(self) -> Accounted | None:
        return accounted(self.form.review.facts, self.form.choices.effective)

    @property
    def fact_boxes(self) -> list[FactBox]:
        return fact_boxes(self.form.review.facts)

    @property
    def missing(self) -> list[tuple[str, str]]:
        """Label and input of what must still be chosen, while nobody has asked to start."""
        if self.form.stage is Stage.ASKED:
            return []
        return [(setting.label, input_id(path)) for path, setting in self.form.missing.items()]

    def _of(self, severity: Severity) -> list[ShownFinding]:
        return [finding for finding in self.form.shown if finding.severity == severity]

    @cached_property
    def errors(self) -> list[ShownFinding]:
        return self._of(Severity.ERROR)

    @cached_property
    def warnings(self) -> list[ShownFinding]:
        return self._of(Severity.WARNING)

    @cached_property
    def advice(self) -> list[ShownFinding]:
        return self._of(Severity.ADVICE)

    @property
    def general(self) -> list[ShownFinding]:
        """Findings about the job as a whole."""
        return [finding for finding in self.form.shown if not finding.target]

    @property
    def pointing(self) -> list[ShownFinding]:
        """Errors and warnings that a field shows, for the list beside the form."""
        return [finding for finding in (*self.errors, *self.warnings) if finding.target]

    @property
    def estimate(self) -> list[Cost]:
        return estimate_rows(self.form.review.estimate)

    @cached_property
    def memory(self) -> list[Bar]:
        return memory_bars(self.form.review.estimate)

    @property
    def error_so_far(self) -> str:
        """How far the memory of earlier jobs here was off."""
        return self.form.review.estimate.error_so_far

    @property
    def can_rehearse(self) -> bool:
        return not self.form.missing and self.form.review.report.ok

    @property
    def trial_under_way(self) -> bool:
        return self.trial is not None and self.trial.answer is None

    @cached_property
    def rehearsal(self) -> ShownRehearsal | None:
        """The finished rehearsal of just these choices. Its findings stand in the report, where they have buttons."""
        known = self.form.review.rehearsal
        answer = self.trial.answer if self.trial else None
        document = known.document if known else (answer or {}).get("rehearsal")
        if not document:
            return None
        codes = {finding["code"] for finding in document["findings"]}
        shown = [finding for finding in self.form.shown if finding.code in codes]
        said = {finding.code for finding in shown}
        more = [stored_finding(finding) for finding in document["findings"] if finding["code"] not in said]
        return shown_rehearsal(document, shown + more)

    @property
    def rows(self) -> list[Row]:
        return rows(self.form.review.choices.spec(), self.form.review.facts)

    @property
    def carried(self) -> dict[str, Any]:
        """What a page without the fields must send along."""
        return self.form.typed
