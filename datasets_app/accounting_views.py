"""Pages of what becomes of a dataset's rows with a model, and of single rows as the model sees them."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from finetune_site.people import PersonRequest
from finetune_site.problems import Problem

from .accounting_page import AccountingPage, models_to_choose
from .accounting_question import Question
from .models import Dataset
from .seen_row import SeenRow
from .views import own


@require_safe
def accounting(request: PersonRequest, pk: int) -> HttpResponse:
    """The account of one question; while it is made, htmx asks for the progress."""
    dataset = own(request, pk)
    return _page(request, dataset, *_asked(request, dataset))


@require_POST
def begin(request: PersonRequest, pk: int) -> HttpResponse:
    """Have the rows accounted for, then go to where that can be watched."""
    dataset = own(request, pk)
    try:
        question = Question.of(dataset, request.POST.dict())
        question.begin()
    except Problem as refused:
        return _page(request, dataset, None, refused)
    return redirect(reverse("datasets:accounting", args=[pk]) + question.address)


@require_safe
def tokens(request: PersonRequest, pk: int) -> HttpResponse:
    """One row, token by token."""
    dataset = own(request, pk)
    question, refused = _asked(request, dataset)
    seen = SeenRow.of(question, request.GET) if question else None
    page = {"dataset": dataset, "question": question, "refused": refused, "seen": seen}
    return render(request, "datasets/tokens.html", page, status=refused.status_code if refused else 200)


def _asked(request: PersonRequest, dataset: Dataset) -> tuple[Question | None, Problem | None]:
    if not request.GET.get("model"):
        return None, None
    try:
        return Question.of(dataset, request.GET.dict()), None
    except Problem as refused:
        return None, refused


def _page(
    request: PersonRequest, dataset: Dataset, question: Question | None, refused: Problem | None = None
) -> HttpResponse:
    page = {
        "dataset": dataset,
        "question": question,
        "shown": AccountingPage(question) if question else None,
        "refused": refused,
        "asked": (request.POST or request.GET).dict(),
        "models": models_to_choose(),
    }
    template = "datasets/_account.html" if request.htmx else "datasets/accounting.html"
    return render(request, template, page, status=refused.status_code if refused else 200)
