"""GET /healthz: is the portal ready to work?"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe


@require_safe
@login_not_required
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when ready, else 503 with the reason. Needs no login, and tells a stranger nothing about the machine."""
    reason = database_trouble() or home_trouble(Path(settings.HOME))
    if reason:
        return JsonResponse({"ready": False, "reason": reason}, status=503)
    return JsonResponse({"ready": True})


def database_trouble() -> str:
    try:
        executor = MigrationExecutor(connection)
        unapplied = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return "The database does not answer."
    return f"{len(unapplied)} database migrations are not applied. Run: python manage.py migrate" if unapplied else ""


def home_trouble(home: Path) -> str:
    try:
        with TemporaryFile(dir=home) as probe:
            probe.write(b"ready")
    except OSError as error:
        return f"The portal cannot write to its home: {error.strerror}."
    return ""
