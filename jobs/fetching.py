"""The models of waiting jobs: their downloads begin while the jobs wait, and who has a model is not kept waiting."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import User

from finetune_site.problems import Problem
from models_catalog.cache import cache_state
from models_catalog.download_ticks import tick
from models_catalog.downloads import on_its_way, start_download
from models_catalog.models import BaseModel, Download

from .models import Job
from .queueing import waiting

logger = logging.getLogger(__name__)

MOST = 20
"""Jobs at the head of the queue whose models are seen to. There is no use in filling the disk for later ones."""


def see_to_models() -> None:
    """A part of the tick: start the downloads that waiting jobs need, and go on with those that lie idle."""
    heads = waiting().filter(base_model__source=BaseModel.Source.HUB)
    wanted: dict[tuple[int, str | None], tuple[int, datetime]] = {}
    for job in heads.values_list("base_model", "spec__model__revision", "owner", "created_at")[:MOST]:
        wanted.setdefault(job[:2], job[2:])
    for (model, revision), (owner, since) in wanted.items():
        _fetch(BaseModel.objects.get(pk=model), revision, owner, since)
    tick()


def _fetch(model: BaseModel, revision: str | None, owner: int, since: datetime) -> None:
    if cache_state(model, revision).at_hand or _was_tried(model, revision, since):
        return
    try:
        start_download(model=model, revision=revision, by=User.objects.get(pk=owner))
    except Problem as refused:
        logger.info("The model of a waiting job cannot be fetched: %s", refused.message)


def _was_tried(model: BaseModel, revision: str | None, since: datetime) -> bool:
    """Under way, or ended since the job was submitted: then it is for the job to say what is wrong, or to try again."""
    tried = Download.objects.filter(model=model, revision="" if revision in (None, "main") else revision)
    return bool(on_its_way([(model.pk, revision)])) or tried.filter(created_at__gte=since).exists()


def models_first(jobs: Sequence[Job]) -> list[Job]:
    """The same jobs; those whose model is still on its way behind those that could begin at once."""
    model = {job.pk: (job.base_model_id, job.spec.get("model", {}).get("revision")) for job in jobs}
    late = on_its_way(set(model.values())) if jobs else set()
    return sorted(jobs, key=lambda job: model[job.pk] in late)
