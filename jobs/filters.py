"""Narrowing the history of jobs: on its page, and in the API."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet

from datasets_app.models import Dataset
from models_catalog.models import BaseModel

from .models import Job, State
from .rulebook.settings_table import SETTINGS

METHODS = SETTINGS["training.method"].choices


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

    def find(self, jobs: QuerySet[Job], name: str, text: str) -> QuerySet[Job]:
        return found_by(jobs, text)


def found_by(jobs: QuerySet[Job], text: str) -> QuerySet[Job]:
    """Jobs with the text in their name, or in that of their dataset or model.

    Datasets and models are looked up first: there are few of them, and the jobs of each stand in an index. A model
    that was deleted has left its name in the specification alone.
    """
    datasets = Dataset.objects.filter(name__icontains=text).order_by().values_list("pk", flat=True)
    models = BaseModel.objects.filter(name__icontains=text).order_by().values_list("pk", flat=True)
    of_deleted = Q(base_model=None, spec__model__name__icontains=text)
    return jobs.filter(
        Q(name__icontains=text) | Q(dataset__in=list(datasets)) | Q(base_model__in=list(models)) | of_deleted
    )


class ApiFilter(django_filters.FilterSet):  # type: ignore[misc]  # the library is untyped
    """Any of several states; method and name of the model exactly."""

    state = django_filters.MultipleChoiceFilter(choices=State.choices)
    method = django_filters.ChoiceFilter(choices=list(METHODS.items()))
    model = django_filters.CharFilter(method="of_model")

    class Meta:
        model = Job
        fields: tuple[str, ...] = ()

    def of_model(self, jobs: QuerySet[Job], name: str, model: str) -> QuerySet[Job]:
        """By number, which the index of the list has."""
        return jobs.filter(base_model__in=list(BaseModel.objects.filter(name=model).values_list("pk", flat=True)))
