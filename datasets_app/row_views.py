"""The page of a dataset's rows, and everything about it that can be downloaded."""

from __future__ import annotations

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from finetune_site.people import PersonRequest
from finetune_site.problems import Problem
from finetune_site.sending import chunks_of, send

from .exports import export
from .models import Dataset
from .row_page import RowPage
from .splits import overlap
from .views import detail_page, own


@require_safe
def rows(request: PersonRequest, pk: int) -> HttpResponse:
    """Rows by number, line, word or what is wrong with them."""
    dataset = own(request, pk)
    if dataset.status != Dataset.Status.READY:
        raise Http404
    return render(request, "datasets/rows.html", {"dataset": dataset, "browse": RowPage.of(dataset, request.GET)})


@require_safe
def download(request: PersonRequest, pk: int) -> HttpResponseBase:
    """The file, byte by byte as it was uploaded or made; with `as`, its good rows as another file."""
    dataset = own(request, pk)
    if "as" in request.GET:
        try:
            name, parts = export(dataset, request.GET["as"])
        except Problem as refused:
            return detail_page(request, dataset, refused)
        return send(request, parts, name)
    if not dataset.path.is_file():
        raise Http404
    return send(request, chunks_of(dataset.path), dataset.file_name, size=dataset.path.stat().st_size)


@require_safe
def report(request: PersonRequest, pk: int) -> HttpResponseBase:
    """Every change that was made for a version, one JSON object a line."""
    dataset = own(request, pk)
    if not dataset.report_path.is_file():
        raise Http404
    name = f"{dataset.name}-changes.jsonl"
    return send(request, chunks_of(dataset.report_path), name, size=dataset.report_path.stat().st_size)


@require_safe
def compare(request: PersonRequest, pk: int) -> HttpResponse:
    """What this dataset, to evaluate with, has in common with another that is trained on."""
    dataset = own(request, pk)
    text = request.GET.get("with", str(pk))
    other = own(request, int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0)
    if dataset.status != Dataset.Status.READY or other.status != Dataset.Status.READY:
        raise Http404
    page = {"dataset": dataset, "other": other, "overlap": overlap(other, dataset)}
    return render(request, "datasets/compare.html", page)
