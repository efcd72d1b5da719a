"""Narrowing the history of jobs: on its page, and in the API."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet

from datasets_app.models import Dataset
from finetune_site.paging import MOST_COUNTED
from models_catalog.models import BaseModel

from .models import Job, State
from .rulebook.settings_table import SETTINGS

METHODS = SETTINGS["training.method"].choices
MOST_LEFT = 1000
"""Jobs of deleted models that a search looks into."""
MOST_FOUND = 1000
"""Found jobs that are counted: more is nothing that somebody reads."""


class PageFilter(django_filters.FilterSet):  # type: ignore[misc]  # the library is untyped
    """One box for all names; state, method and model as selectors of what there is."""

    search = django_filters.CharFilter(method="find", label="Search", widget=forms.TextInput(attrs={"type": "search"}))
    state = django_filters.ChoiceFilter(choices=State.choices, empty_label="Any state")
    method = django_filters.ChoiceFilter(
        choices=[(value, value.upper()) for value in METHODS],
        label="Method",
        empty_label="Any method",
    )
    model = django_filters.ModelChoiceFilter(
        field_name="base_model", queryset=None, label="Model", empty_label="Any model"
    )

    class Meta:
        model = Job
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        used = self.queryset.order_by().filter(base_model=OuterRef("pk"))
        self.filters["model"].queryset = BaseModel.objects.filter(Exists(used))
        for field in self.form.fields.values():
            select = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select" if select else "form-control"

    @property
    def most_counted(self) -> int:
        return MOST_FOUND if self.form.is_valid() and self.form.cleaned_data["search"] else MOST_COUNTED

    def find(self, jobs: QuerySet[Job], name: str, text: str) -> QuerySet[Job]:
        return found_by(jobs, text)


def found_by(jobs: QuerySet[Job], text: str) -> QuerySet[Job]:
    """Jobs with the text in their name, or in that of their dataset or model.

    What is rare is looked up first, so that the jobs can be found, and counted, by indexes alone: datasets, models,
    and jobs whose model was deleted and has left its name in the specification.
    """
    datasets = Dataset.objects.filter(name__icontains=text).order_by()
    models = BaseModel.objects.filter(name__icontains=text).order_by()
    left = Job.objects.filter(base_model=None, spec__model__name__icontains=text).order_by()[:MOST_LEFT]
    found = Q(name__icontains=text)
    for place, these in (("dataset", datasets), ("base_model", models), ("pk", left)):
        if numbers := list(these.values_list("pk", flat=True)):
            found |= Q(**{f"{place}__in": numbers})
    return jobs.filter(found)


class ApiFilter(django_filters.FilterSet):  # type: ignore[misc]  # the library is untyped
    """Any of several states; method and name of the model exactly."""

    state = django_filters.MultipleChoiceFilter(choices=State.choices, distinct=False)  # each job is there once
    method = django_filters.ChoiceFilter(choices=list(METHODS.items()))
    model = django_filters.CharFilter(method="of_model")

    class Meta:
        model = Job
        fields: tuple[str, ...] = ()

    def of_model(self, jobs: QuerySet[Job], name: str, model: str) -> QuerySet[Job]:
        """By number, which the index of the list has."""
        return jobs.filter(base_model__in=list(BaseModel.objects.filter(name=model).values_list("pk", flat=True)))
