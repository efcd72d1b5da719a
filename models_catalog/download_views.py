"""Downloads as people see them: in the page of a model, and all together."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from finetune_site.people import PersonRequest
from finetune_site.problems import Problem

from .downloads import cancel_download, drop_arrived, may_cancel, start_download, try_now
from .knowledge import Knowledge, know
from .model_page import about_download
from .models import BaseModel, Download

ENDED_SHOWN = 20


@require_safe
def downloads(request: PersonRequest) -> HttpResponse:
    """What is on its way, and what has ended lately. The page asks here again and again while something is."""
    rows = Download.objects.select_related("model", "asked_by")
    active = list(rows.filter(state__in=Download.ACTIVE).order_by("created_at"))
    page = {
        "active": [(download, may_cancel(download, request.user)) for download in active],
        "ended": rows.exclude(state__in=Download.ACTIVE).order_by("-finished_at", "-pk")[:ENDED_SHOWN],
    }
    return render(request, "models/_downloads.html" if request.htmx else "models/downloads.html", page)


@require_POST
def download(request: PersonRequest, pk: int) -> HttpResponse:
    """Have the model fetched, or say why it cannot be. One that waits for better times is tried at once."""
    model = get_object_or_404(BaseModel.objects.select_related("family"), pk=pk)
    try:
        try_now(start_download(model=model, revision=request.POST.get("revision"), by=request.user))
    except Problem as refused:
        return _answer(request, model, refused)
    return _answer(request, model)


@require_POST
def cancel(request: PersonRequest, pk: int) -> HttpResponse:
    """End a download; `drop` deletes what has arrived. Of one that has ended, that is all that is left to do."""
    found = get_object_or_404(Download.objects.select_related("model__family"), pk=pk)
    drop = bool(request.POST.get("drop"))
    try:
        if found.is_active:
            cancel_download(download=found, by=request.user, drop=drop)
        elif drop:
            drop_arrived(download=found, by=request.user)
    except Problem as refused:
        return _answer(request, found.model, refused)
    return _answer(request, found.model)


def _answer(request: PersonRequest, model: BaseModel, refused: Problem | None = None) -> HttpResponse:
    if request.htmx:
        return _progress(request, know(model), refused)
    if refused is not None:
        messages.error(request, refused.message)
    return redirect("models:downloads" if request.POST.get("from") == "downloads" else model)


def shown_download(request: PersonRequest, known: Knowledge) -> HttpResponse:
    """How far it is; when it has arrived, the whole page is another."""
    return HttpResponseClientRefresh() if known.cache.at_hand else _progress(request, known)


def _progress(request: PersonRequest, known: Knowledge, refused: Problem | None = None) -> HttpResponse:
    page = {"known": known, "refused": refused, **about_download(known, request.user)}
    return render(request, "models/_download.html", page)
