"""The files go when their row goes, however that happens."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from .models import Accounting, Dataset
from .side_files import ALL


@receiver(post_delete, sender=Dataset)
def remove_files(sender: type[Dataset], instance: Dataset, **kwargs: Any) -> None:
    path = instance.path  # the id is gone when all is committed
    for each in (path, instance.report_path, *(path.with_suffix(suffix) for suffix in ALL)):
        transaction.on_commit(partial(each.unlink, missing_ok=True))


@receiver(post_delete, sender=Accounting)
def remove_table(sender: type[Accounting], instance: Accounting, **kwargs: Any) -> None:
    transaction.on_commit(partial(instance.path.unlink, missing_ok=True))
