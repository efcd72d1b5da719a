"""Jobs from before chats were trained on answers alone keep the meaning they had: every turn."""

from __future__ import annotations

from typing import Any

from django.db import migrations


def keep_every_turn(apps: Any, schema_editor: Any) -> None:
    for job in apps.get_model("jobs", "Job").objects.only("pk", "spec").iterator():
        data = job.spec.get("data") if isinstance(job.spec, dict) else None
        if isinstance(data, dict) and "assistant_only_loss" not in data:
            data["assistant_only_loss"] = False
            job.save(update_fields=["spec"])


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_rehearsals")]

    operations = [migrations.RunPython(keep_every_turn, migrations.RunPython.noop)]
