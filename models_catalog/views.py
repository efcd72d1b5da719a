"""The models pages: the list, one model, its download, and a form by which staff register a folder."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from finetune_site.people import PersonRequest
from finetune_site.problems import Problem

from .forms import FilterForm, RegisterForm
from .knowledge import Knowledge, know
from .models import BaseModel
from .services import register_local, start_download

MODELS = BaseModel.objects.select_related("family")


@require_safe
def model_list(request: PersonRequest) -> HttpResponse:
    """All models, narrowed by the form above them. The same view answers the whole page and each change."""
    return _list_page(request, RegisterForm())


@require_POST
def register_folder(request: PersonRequest) -> HttpResponse:
    """Staff register a folder of this machine."""
    if not request.user.is_staff:
        raise PermissionDenied
    form = RegisterForm(request.POST)
    if form.is_valid():
        family = form.cleaned_data["family"]
        try:
            model = register_local(**{**form.cleaned_data, "family": family.name if family else None})
        except Problem as refused:
            form.show(refused.findings)
        else:
            messages.success(request, f"{model.name} is registered.")
            return redirect(model)
    return _list_page(request, form, status=422)


def _list_page(request: PersonRequest, register: RegisterForm, status: int = 200) -> HttpResponse:
    form = FilterForm(request.GET)
    shown = form.narrowed(know(model) for model in MODELS.order_by("name"))
    shown.sort(key=lambda known: not known.cache.at_hand)
    page = {"form": form, "register": register, "models": shown, "total": MODELS.count()}
    return render(request, "models/list.html", page, status=status)


@require_safe
def detail(request: PersonRequest, pk: int) -> HttpResponse:
    """One model. While it downloads, the page asks for its progress here again and again."""
    known = know(get_object_or_404(MODELS, pk=pk))
    if not request.htmx:
        return render(request, "models/detail.html", {"known": known})
    if known.cache.at_hand:
        return HttpResponseClientRefresh()
    return _progress(request, known)


@require_POST
def download(request: PersonRequest, pk: int) -> HttpResponse:
    """Have the model fetched, or say why it cannot be."""
    model = get_object_or_404(MODELS, pk=pk)
    try:
        start_download(model=model)
    except Problem as refused:
        if request.htmx:
            return _progress(request, know(model), refused)
        messages.error(request, refused.message)
    return _progress(request, know(model)) if request.htmx else redirect(model)


def _progress(request: PersonRequest, known: Knowledge, refused: Problem | None = None) -> HttpResponse:
    return render(request, "models/_download.html", {"known": known, "refused": refused})
