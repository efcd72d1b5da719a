"""How long datasets are kept: as long as their owners want, or as long as jobs use them where the admin says so."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max, Q
from django.utils import timezone

from finetune_site.problems import Problem

from .models import Dataset
from .services import delete_dataset

logger = logging.getLogger(__name__)


def kept_until(dataset: Dataset) -> datetime | None:
    """When it is deleted unless a job uses it before; None where datasets are kept for good."""
    days = settings.ENVIRONMENT.dataset_days
    return _last_use(dataset) + timedelta(days=days) if days else None


def delete_unused() -> None:
    """Delete the datasets whose time is over. One that is still needed stays, whatever its age."""
    days = settings.ENVIRONMENT.dataset_days
    if not days:
        return
    for dataset in Dataset.objects.filter(created_at__lt=timezone.now() - timedelta(days=days)):
        if _last_use(dataset) + timedelta(days=days) > timezone.now():
            continue
        try:
            delete_dataset(dataset=dataset)
        except Problem as needed:
            logger.info("Dataset %s is over its time and stays: %s", dataset.pk, needed)
        else:
            logger.info("Dataset %s was deleted: no job has used it for %s days", dataset.pk, days)


def _last_use(dataset: Dataset) -> datetime:
    """When it came, or the last job that trained on it or evaluated with it was submitted."""
    used = Q(dataset=dataset) | Q(spec__data__eval_dataset=str(dataset.pk))
    last: datetime | None = dataset.owner.jobs.filter(used).aggregate(last=Max("created_at"))["last"]
    return max(last, dataset.created_at) if last else dataset.created_at
