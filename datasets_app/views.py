"""The pages of the datasets. What is not one's own is not found."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh, reselect, retarget

from finetune_site.people import PersonRequest
from finetune_site.problems import Problem

from . import services
from .content_page import ContentPage
from .conversions import Tried, conversions_from, convert_dataset, try_conversion
from .correction_form import CorrectionForm, given_choices
from .corrections import correct_dataset, try_correction
from .local_files import notice_changes, register_file
from .models import Dataset, Format
from .retention import kept_until
from .row_page import RowPage
from .splits import split_dataset
from .templated import names_of_writers
from .uploads import the_file
from .versions import family

PER_PAGE = 25
ORDERS = {
    "-created_at": "newest first", "created_at": "oldest first", "name": "name", "-rows": "most rows",
    "-size_bytes": "largest",
}  # fmt: skip


@require_safe
def dataset_list(request: PersonRequest) -> HttpResponse:
    services.revive_stalled(owner=request.user)
    notice_changes(owner=request.user)
    return _list_page(request)


def _list_page(
    request: PersonRequest, refused: Problem | None = None, unregistered: Problem | None = None
) -> HttpResponse:
    search, order = request.GET.get("q", "").strip().replace("\0", ""), request.GET.get("order", "")
    order = order if order in ORDERS else "-created_at"
    kind = request.GET.get("format", "")
    visible = Dataset.objects.visible_to(request.user)
    found = visible.filter(Q(name__icontains=search) | Q(file_name__icontains=search))
    found = found.filter(format=kind) if kind in Format.values else found
    found = found.select_related("original").annotate(used_by=Count("jobs", distinct=True))
    page = {
        "page": Paginator(found.order_by(order, "-pk"), PER_PAGE).get_page(request.GET.get("page")),
        "has_any": visible.exists(),
        "search": search,
        "order": order,
        "orders": ORDERS,
        "kind": kind,
        "kinds": Format.choices,
        "refused": refused,
        "unregistered": unregistered,
        "typed_name": request.POST.get("name", ""),
        "pasted": request.POST.get("pasted", ""),
    }
    return render(request, "datasets/list.html", page, status=422 if refused or unregistered else 200)


@require_POST
def register(request: PersonRequest) -> HttpResponse:
    """Staff make a file of this machine a dataset where it lies."""
    if not request.user.is_staff:
        raise PermissionDenied
    path, name = request.POST.get("path", ""), request.POST.get("register_name", "")
    try:
        dataset = register_file(owner=request.user, path=path, name=name)
    except Problem as refused:
        return _list_page(request, unregistered=refused)
    return redirect(dataset)


@require_POST
def upload(request: PersonRequest) -> HttpResponse:
    """Takes a file in. With JavaScript only the findings come back, so that the chosen file stays chosen."""
    try:
        sent = _pasted(request) or the_file(request.FILES, "No file was chosen. Choose one, or paste rows.")
        dataset = services.create_dataset(owner=request.user, name=request.POST.get("name", ""), upload=sent)
    except Problem as refused:
        if request.htmx:
            return render(request, "datasets/_upload_findings.html", {"refused": refused}, status=422)
        return _list_page(request, refused)
    if request.htmx:
        return HttpResponseClientRedirect(dataset.get_absolute_url())
    return redirect(dataset)


def _pasted(request: PersonRequest) -> SimpleUploadedFile | None:
    """Rows that were pasted, where no file was chosen."""
    text = request.POST.get("pasted", "")
    if request.FILES or not text.strip():
        return None
    return SimpleUploadedFile("pasted.jsonl", text.encode("utf-8", "replace"))


@require_safe
def detail(request: PersonRequest, pk: int) -> HttpResponse:
    """The page of one dataset. While it is read, htmx asks for the progress until there is something to show."""
    services.revive_stalled(owner=request.user)
    notice_changes(owner=request.user)
    dataset = own(request, pk)
    if request.htmx:
        if dataset.status != Dataset.Status.READING:
            return HttpResponseClientRefresh()
        return render(request, "datasets/_reading.html", {"dataset": dataset})
    return detail_page(request, dataset)


def detail_page(
    request: PersonRequest,
    dataset: Dataset,
    refused: Problem | None = None,
    correction: CorrectionForm | None = None,
    tried: Tried | None = None,
) -> HttpResponse:
    ready = dataset.status == Dataset.Status.READY
    page = {
        "dataset": dataset,
        "stats": dataset.stats,
        "browse": RowPage.of(dataset, {}) if ready else None,
        "contents": ContentPage.of(dataset) if ready else None,
        "correction": correction or CorrectionForm.of(dataset),
        "can_correct": ready and dataset.format != Format.UNKNOWN and dataset.rows > 0,
        "conversions": conversions_from(dataset),
        "writers": names_of_writers() if dataset.conversational else [],
        "tried": tried,
        "others": _comparable(dataset),
        "jobs": dataset.jobs.order_by("-created_at")[:5],
        "versions": family(dataset),
        "children": dataset.children.count(),
        "kept_until": kept_until(dataset),
        "refused": refused,
    }
    response = render(request, "datasets/detail.html", page, status=refused.status_code if refused else 200)
    return _seen(response) if refused and request.htmx else response


def _seen(refusal: HttpResponse) -> HttpResponse:
    """A refusal stands at the top of the page, wherever the button was. htmx shows 422, and no other error."""
    refusal.status_code = 422
    refusal["HX-Reswap"] = "outerHTML show:window:top"
    return reselect(retarget(refusal, "#main"), "#main")


def _comparable(dataset: Dataset) -> QuerySet[Dataset]:
    """The newest others of the same format."""
    alike = Dataset.objects.filter(owner=dataset.owner, format=dataset.format, status=Dataset.Status.READY)
    return alike.exclude(pk=dataset.pk).only("pk", "name")[:50]


@require_POST
def correct(request: PersonRequest, pk: int) -> HttpResponse:
    """A corrected copy, or only the counts of what it would be."""
    dataset = own(request, pk)
    choices = given_choices(request.POST.dict())
    try:
        if "try" in request.POST:
            trial = try_correction(dataset=dataset, choices=choices)
            return detail_page(request, dataset, correction=CorrectionForm.of(dataset, choices, trial))
        made = correct_dataset(dataset=dataset, choices=choices)
    except Problem as refused:
        return detail_page(request, dataset, refused)
    messages.success(request, f"“{made.name}” is version {made.version}. “{dataset.name}” stays as it is.")
    return redirect(made)


@require_POST
def split(request: PersonRequest, pk: int) -> HttpResponse:
    """Two versions: one to train on, one to evaluate with."""
    dataset = own(request, pk)
    asked = {name: request.POST.get(name, "") for name in ("fraction", "seed")}
    try:
        training, held_out = split_dataset(dataset=dataset, together="together" in request.POST, **asked)
    except Problem as refused:
        return detail_page(request, dataset, refused)
    messages.success(request, f"“{training.name}” and “{held_out.name}” were made. “{dataset.name}” stays as it is.")
    return redirect(training)


@require_POST
def convert(request: PersonRequest, pk: int) -> HttpResponse:
    """A version in another format, or only what its first rows would be."""
    dataset = own(request, pk)
    asked = {name: request.POST.get(name, "") for name in ("to", "model")}
    try:
        if "try" in request.POST:
            return detail_page(request, dataset, tried=try_conversion(dataset=dataset, **asked))
        converted = convert_dataset(dataset=dataset, **asked)
    except Problem as refused:
        return detail_page(request, dataset, refused)
    messages.success(request, f"“{converted.name}” was made from “{dataset.name}”, which stays as it is.")
    return redirect(converted)


@require_POST
def delete(request: PersonRequest, pk: int) -> HttpResponse:
    dataset = own(request, pk)
    try:
        services.delete_dataset(dataset=dataset)
    except Problem as refused:
        return detail_page(request, dataset, refused)
    messages.success(request, f"“{dataset.name}” was deleted.")
    return redirect("datasets:list")


def own(request: PersonRequest, pk: int) -> Dataset:
    datasets: QuerySet[Dataset] = Dataset.objects.visible_to(request.user).select_related("parent", "original")
    return get_object_or_404(datasets, pk=pk)
