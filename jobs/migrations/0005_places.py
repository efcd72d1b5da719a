"""Jobs that are on a machine while the portal is upgraded keep their places, and their attempts are told of."""

from __future__ import annotations

from typing import Any

from django.db import migrations


def keep_places(apps: Any, schema_editor: Any) -> None:
    of = {name: apps.get_model("jobs", name) for name in ("Job", "Place", "Attempt")}
    for job in of["Job"].objects.filter(state__in=("preparing", "running"), slot__isnull=False):
        of["Place"].objects.create(machine=job.machine, slot=job.slot, job=job)
        of["Attempt"].objects.create(
            job=job, number=job.attempt, machine=job.machine, slots=[job.slot], started_at=job.started_at or job.created_at
        )


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_runner")]

    operations = [migrations.RunPython(keep_places, migrations.RunPython.noop)]
