"""The models pages: the list, one model with its template playground, and registering a folder."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from finetune_site.people import PersonRequest
from finetune_site.problems import Problem

from .download_views import shown_download
from .forms import FilterForm, RegisterForm
from .knowledge import Knowledge, know
from .looks import standing, start_look
from .model_page import context_of, shown_look
from .models import BaseModel, Download
from .playground import played
from .services import register_local

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
    shown = form.narrowed(know(model) for model in MODELS.prefetch_related("downloads").order_by("name"))
    shown.sort(key=lambda known: not known.cache.at_hand)
    coming = Download.objects.filter(state__in=Download.ACTIVE).count()
    page = {"form": form, "register": register, "models": shown, "total": MODELS.count(), "coming": coming}
    return render(request, "models/list.html", page, status=status)


@require_safe
def detail(request: PersonRequest, pk: int) -> HttpResponse:
    """One model, with the LoRA targets that the address names. htmx takes the part `lora` of it while boxes are ticked.

    While the model downloads or is looked into, the page asks here again and again how far that is.
    """
    known = know(get_object_or_404(MODELS, pk=pk))
    target = request.htmx.target if request.htmx else None
    if not request.htmx or target == "lora":
        return render(request, "models/detail.html", context_of(known, request.GET, request.user))
    return _look(request, known) if target == "look" else shown_download(request, known)


def _look(request: PersonRequest, known: Knowledge) -> HttpResponse:
    look = shown_look(known, standing(known.model))
    if look.state != "looking":
        return HttpResponseClientRefresh()
    return render(request, "models/_look.html", {"known": known, "look": look})


@require_POST
def look(request: PersonRequest, pk: int) -> HttpResponse:
    """Look into the model once more, although that failed before."""
    model = get_object_or_404(MODELS, pk=pk)
    start_look(model, again=True)
    return redirect(model)


@require_POST
def playground(request: PersonRequest, pk: int) -> HttpResponse:
    """Render a conversation with the model's chat template; without scripts as a whole page."""
    known = know(get_object_or_404(MODELS, pk=pk))
    shown = played(request.POST, request.user, known.folder, context_length=known.context_length)
    if request.htmx:
        return render(request, "models/_playground.html", {"known": known, "playground": shown})
    return render(request, "models/detail.html", context_of(known, {}, request.user, shown))
