"""The front page."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from datasets_app.models import Dataset
from jobs.models import Job

from .people import PersonRequest


@require_safe
def home(request: PersonRequest) -> HttpResponse:
    """What goes on, what was done last, and where to begin."""
    own_jobs = Job.objects.filter(owner=request.user)
    page = {
        "active_jobs": own_jobs.active(),
        "recent_jobs": own_jobs[:5],
        "recent_datasets": Dataset.objects.filter(owner=request.user)[:5],
    }
    return render(request, "site/home.html", page)
