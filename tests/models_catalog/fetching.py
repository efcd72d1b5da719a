"""Downloads as their process does them, without the process."""

from __future__ import annotations

from django.utils import timezone

from models_catalog.download_process import Fetch
from models_catalog.models import BaseModel, Download


def make_running(model: BaseModel, **changes: object) -> Download:
    started = {"state": "running", "machine": "here", "started_at": timezone.now(), **changes}
    return Download.objects.create(model=model, **started)


def fetched(model: BaseModel, **changes: object) -> Download:
    """A download after its process has ended."""
    download = make_running(model, **changes)
    Fetch(download).run()
    download.refresh_from_db()
    return download
