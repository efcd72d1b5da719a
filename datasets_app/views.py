"""The pages of the datasets. What is not one's own is not found."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh

from finetune_site.people import PersonRequest
from finetune_site.problems import Problem

from . import services
from .conversions import conversions_from, convert_dataset
from .models import Dataset
from .preview import panes
from .reading import REASONS
from .uploads import the_file

PER_PAGE = 25
ORDERS = {
    "-created_at": "newest first", "created_at": "oldest first", "name": "name", "-rows": "most rows",
    "-size_bytes": "largest",
}  # fmt: skip


@require_safe
def dataset_list(request: PersonRequest) -> HttpResponse:
    services.revive_stalled(owner=request.user)
    return _list_page(request)


def _list_page(request: PersonRequest, refused: Problem | None = None) -> HttpResponse:
    search, order = request.GET.get("q", "").strip(), request.GET.get("order", "")
    order = order if order in ORDERS else "-created_at"
    own = Dataset.objects.visible_to(request.user)
    found = own.filter(name__icontains=search.replace("\0", "")).annotate(used_by=Count("jobs")).order_by(order, "-pk")
    page = {
        "page": Paginator(found, PER_PAGE).get_page(request.GET.get("page")),
        "has_any": own.exists(),
        "search": search,
        "order": order,
        "orders": ORDERS,
        "refused": refused,
        "typed_name": request.POST.get("name", ""),
    }
    return render(request, "datasets/list.html", page, status=422 if refused else 200)


@require_POST
def upload(request: PersonRequest) -> HttpResponse:
    """Takes a file in. With JavaScript only the findings come back, so that the chosen file stays chosen."""
    try:
        sent = the_file(request.FILES, "No file was chosen. Choose a .jsonl or .json file, then upload it.")
        dataset = services.create_dataset(owner=request.user, name=request.POST.get("name", ""), upload=sent)
    except Problem as refused:
        if request.htmx:
            return render(request, "datasets/_upload_findings.html", {"refused": refused}, status=422)
        return _list_page(request, refused)
    if request.htmx:
        return HttpResponseClientRedirect(dataset.get_absolute_url())
    return redirect(dataset)


@require_safe
def detail(request: PersonRequest, pk: int) -> HttpResponse:
    """The page of one dataset. While it is read, htmx asks for the progress until there is something to show."""
    services.revive_stalled(owner=request.user)
    dataset = _own(request, pk)
    if request.htmx:
        if dataset.status != Dataset.Status.READING:
            return HttpResponseClientRefresh()
        return render(request, "datasets/_reading.html", {"dataset": dataset})
    return _detail_page(request, dataset)


def _detail_page(request: PersonRequest, dataset: Dataset, refused: Problem | None = None) -> HttpResponse:
    by_code = dataset.stats.get("bad_rows_by_code", {})
    page = {
        "dataset": dataset,
        "stats": dataset.stats,
        "rows": [panes(row) for row in dataset.preview],
        "reasons": [(REASONS[code], number) for code, number in by_code.items()],
        "conversions": conversions_from(dataset),
        "jobs": dataset.jobs.order_by("-created_at")[:5],
        "refused": refused,
    }
    return render(request, "datasets/detail.html", page, status=refused.status_code if refused else 200)


@require_POST
def convert(request: PersonRequest, pk: int) -> HttpResponse:
    dataset = _own(request, pk)
    try:
        converted = convert_dataset(dataset=dataset, to=request.POST.get("to", ""))
    except Problem as refused:
        return _detail_page(request, dataset, refused)
    messages.success(request, f"“{converted.name}” was made from “{dataset.name}”, which stays as it is.")
    return redirect(converted)


@require_POST
def delete(request: PersonRequest, pk: int) -> HttpResponse:
    dataset = _own(request, pk)
    try:
        services.delete_dataset(dataset=dataset)
    except Problem as refused:
        return _detail_page(request, dataset, refused)
    messages.success(request, f"“{dataset.name}” was deleted.")
    return redirect("datasets:list")


def _own(request: PersonRequest, pk: int) -> Dataset:
    own: QuerySet[Dataset] = Dataset.objects.visible_to(request.user).select_related("parent", "original")
    return get_object_or_404(own, pk=pk)
