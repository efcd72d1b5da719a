"""Narrowing the history of jobs: on its page, and in the API."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet

from models_catalog.models import BaseModel

from .models import Job, State
from .rulebook.settings_table import SETTINGS

METHODS = SETTINGS["training.method"].choices


class PageFilter(django_filters.FilterSet):  # type: ignore[misc]  # the library is untyped
    """One box for all names; state, method and model as selectors of what there is."""

    search = django_filters.CharFilter(method="find", label="Search", widget=forms.TextInput(attrs={"type": "search"}))
    state = django_filters.ChoiceFilter(choices=State.choices, empty_label="Any state")
    method = django_filters.ChoiceFilter(
        field_name="spec__training__method",
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
        used = self.queryset.order_by().values("base_model")
        self.filters["model"].queryset = BaseModel.objects.filter(pk__in=used)
        for field in self.form.fields.values():
            select = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select" if select else "form-control"

    def find(self, jobs: QuerySet[Job], name: str, text: str) -> QuerySet[Job]:
        return jobs.filter(
            Q(name__icontains=text) | Q(dataset__name__icontains=text) | Q(spec__model__name__icontains=text)
        )


class ApiFilter(django_filters.FilterSet):  # type: ignore[misc]  # the library is untyped
    """Any of several states; method and name of the model exactly."""

    state = django_filters.MultipleChoiceFilter(choices=State.choices)
    method = django_filters.ChoiceFilter(field_name="spec__training__method", choices=list(METHODS.items()))
    model = django_filters.CharFilter(field_name="base_model__name")

    class Meta:
        model = Job
        fields: tuple[str, ...] = ()
