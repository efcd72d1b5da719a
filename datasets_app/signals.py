"""The files go when their row goes, however that happens."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from .models import Dataset
from .row_index import index_path


@receiver(post_delete, sender=Dataset)
def remove_files(sender: type[Dataset], instance: Dataset, **kwargs: Any) -> None:
    paths = (instance.path, instance.report_path, index_path(instance.path))  # the id is gone when all is committed
    for path in paths:
        transaction.on_commit(partial(path.unlink, missing_ok=True))
