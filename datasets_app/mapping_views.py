"""The page on which somebody says what each column holds; with JavaScript every change shows what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from finetune_site.people import PersonRequest
from finetune_site.problems import Problem

from .mappings import TriedMapping, keep_mapping, map_dataset, mappings_for, plan_of, try_mapping
from .models import ColumnMapping, Dataset
from .reading.mapping import MOST_COLUMNS, PURPOSES, guessed
from .views import own

LONGEST_SAMPLE = 160


@dataclass(frozen=True)
class Column:
    """One column of the form: its name, the purpose chosen for it, and what stands in it first."""

    number: int
    name: str
    chosen: str
    sample: str


@dataclass(frozen=True)
class MappingForm:
    """What was typed, as the page draws it."""

    columns: list[Column]
    system: str = ""
    chat: bool = True
    name: str = ""
    purposes: Mapping[str, str] = field(default_factory=lambda: PURPOSES)

    @classmethod
    def of(cls, dataset: Dataset, chosen: Mapping[str, str], **typed: Any) -> MappingForm:
        first = dataset.preview[0] if dataset.preview else {}
        names = dataset.columns[:MOST_COLUMNS]
        columns = [
            Column(number, name, chosen.get(name, ""), str(first.get(name, ""))[:LONGEST_SAMPLE])
            for number, name in enumerate(names)
        ]
        return cls(columns, **typed)

    @classmethod
    def begun(cls, dataset: Dataset, kept: ColumnMapping | None) -> MappingForm:
        if kept is None:
            return cls.of(dataset, guessed(dataset.columns))
        chosen = {entry["column"]: entry["purpose"] for entry in kept.columns}
        return cls.of(dataset, chosen, system=kept.system, chat=kept.chat, name=kept.name)

    @classmethod
    def sent(cls, dataset: Dataset, sent: QueryDict) -> MappingForm:
        names = dataset.columns[:MOST_COLUMNS]
        chosen = {name: sent.get(f"purpose-{number}", "") for number, name in enumerate(names)}
        typed = {name: sent.get(name, "") for name in ("system", "name")}
        return cls.of(dataset, chosen, chat="chat" in sent, **typed)

    def options(self) -> dict[str, Any]:
        used = [{"column": column.name, "purpose": column.chosen} for column in self.columns if column.chosen]
        return {"columns": used, "system": self.system, "chat": self.chat}


@require_http_methods(["GET", "HEAD", "POST"])
def map_columns(request: PersonRequest, pk: int) -> HttpResponse:
    """The form; what a few rows would become; or a new version made from the columns."""
    dataset = own(request, pk)
    if request.method != "POST":
        kept = _kept(request, request.GET.get("mapping", ""))
        return _page(request, dataset, MappingForm.begun(dataset, kept))
    form = MappingForm.sent(dataset, request.POST)
    try:
        plan = plan_of(form.options())
        if "try" in request.POST:
            return _page(request, dataset, form, tried=try_mapping(dataset=dataset, plan=plan))
        if form.name.strip():
            keep_mapping(owner=request.user, name=form.name, plan=plan)
        made = map_dataset(dataset=dataset, plan=plan)
    except Problem as refused:
        return _page(request, dataset, form, refused=refused)
    messages.success(request, f"“{made.name}” was made from the columns of “{dataset.name}”, which stays as it is.")
    return redirect(made)


def _kept(request: PersonRequest, number: str) -> ColumnMapping | None:
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return None
    return ColumnMapping.objects.filter(owner=request.user, pk=int(number)).first()


def _page(
    request: PersonRequest,
    dataset: Dataset,
    form: MappingForm,
    tried: TriedMapping | None = None,
    refused: Problem | None = None,
) -> HttpResponse:
    page = {"dataset": dataset, "form": form, "tried": tried, "refused": refused, "kept": mappings_for(dataset)}
    status = refused.status_code if refused and "try" not in request.POST else 200  # a look refuses nothing
    return render(request, "datasets/map.html", page, status=status)


@require_POST
def forget_mapping(request: PersonRequest, pk: int, mapping: int) -> HttpResponse:
    """Delete a kept mapping; datasets that were made with it stay."""
    dataset = own(request, pk)
    ColumnMapping.objects.filter(owner=request.user, pk=mapping).delete()
    messages.success(request, "The mapping was deleted. What was made with it stays.")
    return redirect("datasets:map", pk=dataset.pk)
