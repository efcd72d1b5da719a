"""The form of a new job. It only reads: what may be chosen, and what is wrong with a choice, the rulebook says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property, partial
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.urls import reverse_lazy

from finetune_site.forms_rendering import PageField

from .display import as_text, recommended_text
from .pickers import Grouped, dataset_choices, earlier_choices, eval_dataset_choices, model_choices
from .review import Review, review
from .rulebook import Choices, Severity, read
from .rulebook.settings_table import SETTINGS, Kind, Setting
from .rulebook.vocabulary import Source
from .shown_findings import ShownFinding, input_id, shown_findings
from .suggestions import suggest

WHILE_TYPING, WHEN_CHOSEN = "input changed delay:350ms, change", "change"
CARDS = ("training.method", "data.strategy")
"""Choices that are shown side by side, each with what it means."""
WATCHED = ("model.name", "data.dataset", "training.method", "lora.enabled")
"""Settings whose change makes other fields look different; the page says back which values it has seen."""


class Stage(Enum):
    """How far a person has come, and so how much is said."""

    FRESH = auto()  # nothing yet
    TYPING = auto()  # what is wrong, but not what is still missing
    ASKED = auto()  # everything


class Switch(forms.CheckboxInput):
    """A checkbox beside a hidden `false`, so that "off" differs from "not asked"."""

    def __init__(self) -> None:
        super().__init__(check_test=lambda value: value in (True, "true"))

    def format_value(self, value: Any) -> str:
        return "true"

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        return data.get(name)


class Picker(forms.Select):
    """A selector that looks up its choices only when it is drawn; most answers draw only findings."""

    def __init__(self, choices: Callable[[], Grouped]) -> None:
        super().__init__()
        self.choices = choices  # type: ignore[assignment]  # Django takes a callable and calls it late


UNDECIDED = [("", "Decide by the rows"), ("true", "Yes"), ("false", "No")]
"""For settings that are true, false or left to the trainer."""


@dataclass(frozen=True)
class Option:
    """One card. `reason` says why the model cannot do it."""

    id: str
    value: str
    label: str
    detail: str
    checked: bool
    reason: str

    @property
    def disabled(self) -> bool:
        """A choice once made stays sent, so that it is not lost; the report then says what is wrong with it."""
        return bool(self.reason) and not self.checked


class SettingBoundField(PageField):
    """One setting on the page: its input, what is recommended, and what the report says about it."""

    field: SettingField
    form: JobForm

    @property
    def setting(self) -> Setting:
        return self.field.setting

    @property
    def auto_id(self) -> str:
        return input_id(self.name)

    @cached_property
    def findings(self) -> tuple[ShownFinding, ...]:
        return tuple(finding for finding in self.form.shown if finding.field == self.name)

    @property
    def worst(self) -> str:
        """The gravest severity said about it, `fine` when it was given and nothing is said, else nothing."""
        if self.findings:
            return self.findings[0].severity
        return "fine" if self.name in self.form.choices.values and self.form.stage is not Stage.FRESH else ""

    @property
    def recommended(self) -> str:
        return recommended_text(self.setting, self.form.method)

    @property
    def slider(self) -> Slider | None:
        return Slider.of(self.setting, self.form.method) if self.setting.slider else None

    @property
    def hidden(self) -> bool:
        """Settings that do not matter for the other choices stay in the form, out of sight."""
        condition = self.setting.applies
        return condition is not None and self.form.review.facts.get(condition[0]) != condition[1]

    @property
    def is_searched(self) -> bool:
        """It offers so many choices that typing finds one sooner than scrolling."""
        return isinstance(self.field.widget, Picker)

    @property
    def is_cards(self) -> bool:
        return self.name in CARDS

    def options(self) -> Iterator[Option]:
        for value, text in self.setting.choices.items():
            label, _, detail = text.partition(": ")
            yield Option(f"{self.auto_id}-{value}", value, label, detail, self.value() == value, self._refusal(value))

    def _refusal(self, value: str) -> str:
        report = self.form.review.imagine(Source.MODEL, **{self.setting.fact: value})
        return " ".join(finding.message for finding in report.errors if finding.field == self.name)

    def as_widget(self, widget: Any = None, attrs: Any = None, only_initial: bool = False) -> Any:
        """What is not a number stays readable: browsers show a number input that holds text as empty."""
        unreadable = any(path == self.name for path, _, _ in self.form.choices.unreadable)
        if unreadable and isinstance(self.field.widget, forms.NumberInput):
            widget = forms.TextInput(attrs={"inputmode": "decimal"})
        return super().as_widget(widget, attrs, only_initial)

    def build_widget_attrs(self, attrs: dict[str, Any], widget: forms.Widget | None = None) -> dict[str, Any]:
        chosen = self.setting.kind in (Kind.BOOLEAN, Kind.CHOICE) or isinstance(self.field.widget, forms.Select)
        built = super().build_widget_attrs(attrs, widget)
        built |= {"hx-post": self.form.check_url, "hx-trigger": WHEN_CHOSEN if chosen else WHILE_TYPING}
        if self.setting.required:
            built["required"] = True
        return built | ({"aria-invalid": "true"} if self.worst == Severity.ERROR else {})


class SettingField(forms.Field):
    """Hands on what was typed; the rulebook judges it."""

    bound_field_class = SettingBoundField

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        super().__init__(required=False, widget=_widget(setting), label=setting.label, help_text=setting.help)

    def to_python(self, value: Any) -> Any:
        """Names are typed with commas between them; a single word may be the special `all-linear`."""
        if self.setting.kind is Kind.NAMES and isinstance(value, str) and value.strip() not in ("", "all-linear"):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value


def _widget(setting: Setting) -> forms.Widget:
    match setting.kind:
        case Kind.BOOLEAN:
            return forms.Select(choices=UNDECIDED) if setting.nullable else Switch()
        case Kind.CHOICE:
            return forms.Select(choices=list(setting.choices.items()))
        case Kind.INTEGER | Kind.NUMBER:
            return forms.NumberInput(attrs=_limits(setting))
    return forms.TextInput(attrs={"spellcheck": "false"})


def _limits(setting: Setting) -> dict[str, str]:
    low = setting.above if setting.minimum is None else setting.minimum
    high = setting.below if setting.maximum is None else setting.maximum
    step = setting.step or (1 if setting.kind is Kind.INTEGER else "any")
    limits = {"min": low, "max": high, "step": step}
    return {name: as_text(value) for name, value in limits.items() if value is not None}


@dataclass(frozen=True)
class Slider:
    """A second handle for a number: from half the lowest to twice the highest recommended value, within the limits.

    A setting without steps of its own, such as the learning rate, slides through orders of magnitude.
    """

    low: float
    high: float
    step: float | None
    good: tuple[float, float] | None

    @classmethod
    def of(cls, setting: Setting, method: str | None) -> Slider:
        good = setting.recommended_for(method)
        low, high = good or (setting.default / 2, setting.default * 2)
        least = setting.above if setting.minimum is None else setting.minimum
        step = setting.step or (1 if setting.kind is Kind.INTEGER else None)
        return cls(max(low / 2, least or 0), min(high * 2, setting.maximum or high * 2), step, good)

    def attributes(self) -> dict[str, str]:
        named = {"low": self.low, "high": self.high, "step": self.step}
        named |= {"good-low": self.good[0], "good-high": self.good[1]} if self.good else {}
        return {f"data-{name}": repr(value) for name, value in named.items() if value is not None}


class JobForm(forms.Form):
    """Every setting of the table as a field; `clean` asks the rulebook and keeps its review."""

    check_url = reverse_lazy("jobs:check")
    choices: Choices
    review: Review

    def __init__(self, data: Mapping[str, Any], *, user: User, stage: Stage = Stage.TYPING) -> None:
        super().__init__(data)
        self.user = user
        self.stage = stage
        self.fields = {path: SettingField(setting) for path, setting in SETTINGS.items()}
        self.fields["model.name"].widget = Picker(partial(model_choices, data.get("model.name")))
        self.fields["data.dataset"].widget = Picker(partial(dataset_choices, user, data.get("data.dataset")))
        self.fields["data.eval_dataset"].widget = Picker(
            partial(eval_dataset_choices, user, data.get("data.eval_dataset"))
        )
        self.fields["training.start_from"].widget = Picker(
            partial(earlier_choices, user, data.get("training.start_from"))
        )
        self.full_clean()

    def clean(self) -> None:
        """The report becomes the errors of the form, with the rulebook's codes and words."""
        self.choices = read(self.cleaned_data)
        self.review = review(self.choices, user=self.user)
        for finding in self.shown:
            if finding.severity == Severity.ERROR:
                field = finding.field if finding.field in self.fields else None
                self.add_error(field, ValidationError(finding.message, code=finding.code))

    @property
    def method(self) -> str | None:
        return self.choices.values.get("training.method")

    @cached_property
    def shown(self) -> tuple[ShownFinding, ...]:
        """The findings that are said at this stage, gravest first."""
        if self.stage is Stage.FRESH:
            return ()
        report = shown_findings(self.review.report)
        return report if self.stage is Stage.ASKED else tuple(f for f in report if f.field not in self.missing)

    @cached_property
    def missing(self) -> dict[str, Setting]:
        """Required settings that have not been given yet."""
        given = self.choices.values.keys() | {path for path, _, _ in self.choices.unreadable}
        return {path: setting for path, setting in SETTINGS.items() if setting.required and path not in given}

    @property
    def seen(self) -> dict[str, str]:
        return {f"seen:{path}": str(self.data.get(path) or "") for path in WATCHED}

    @cached_property
    def altered(self) -> set[str]:
        """Watched settings whose value differs from the one the page was drawn for."""
        return {key.removeprefix("seen:") for key, now in self.seen.items() if self.data.get(key, now) != now}

    def suggestions(self) -> dict[str, Any]:
        """What follows from what was just chosen: LoRA targets of a model, strategy and method of a dataset."""
        return suggest(self.review, self.altered)

    def with_changes(self, changes: Mapping[str, Any], *, stage: Stage | None = None) -> JobForm:
        """The same form with some settings replaced, everything else as it was typed."""
        replaced = {path: as_text(value) for path, value in changes.items()}
        return JobForm({**self.typed, **replaced}, user=self.user, stage=stage or self.stage)

    @property
    def typed(self) -> dict[str, Any]:
        """The settings and seen values as they were sent."""
        known = [*self.fields, *self.seen]
        return {key: self.data.get(key) for key in known if key in self.data}

    def redrawn(self, changes: Mapping[str, Any]) -> list[str]:
        """Fields to draw again after some changes; all others keep the keyboard and what is being typed."""
        changed = self.altered | set(changes)
        facts = {SETTINGS[path].fact for path in changed}
        drawn = set(changes)
        for path, setting in SETTINGS.items():
            depends = setting.applies is not None and setting.applies[0] in facts
            if depends or (setting.per_method and "method" in facts):
                drawn.add(path)
        return [path for path in SETTINGS if path in drawn]


def blank() -> dict[str, str]:
    """What an untouched form holds."""
    return {path: as_text(setting.default) for path, setting in SETTINGS.items()}


def filled_from(choices: Choices) -> dict[str, str]:
    """Choices as they stand in the inputs."""
    return {path: as_text(value) for path, value in choices.values.items()}
