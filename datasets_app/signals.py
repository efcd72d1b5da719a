"""The file goes when its row goes, however that happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from .models import Dataset


@receiver(post_delete, sender=Dataset)
def remove_file(sender: type[Dataset], instance: Dataset, **kwargs: Any) -> None:
    path: Path = instance.path  # the id is gone by the time the transaction ends
    transaction.on_commit(lambda: path.unlink(missing_ok=True))
