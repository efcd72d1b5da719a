"""How the portal speaks with the hub: with which token, for how long, and what its refusals mean in plain words."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import humanize
from django.conf import settings
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from jobs.rulebook.findings import Finding

from . import refusals
from .models import BaseModel
from .refusals import refuse

PATIENCE = 10
"""Seconds to wait for the hub's answer."""


def token() -> str | bool:
    """Ours or none: never one that lies in the home of whoever started the portal."""
    return settings.ENVIRONMENT.hub_token or False


@contextmanager
def plain_words(model: BaseModel, revision: str) -> Iterator[None]:
    """Turn what the hub, the network or the disk refuse into a `Problem`."""
    try:
        yield
    except (OSError, httpx2.HTTPError) as error:
        finding = _refused(error, model.name, revision)
        if finding is None:
            raise
        raise refuse(finding) from error


def _refused(error: Exception, name: str, revision: str) -> Finding | None:
    """The finding for an error that is not ours; None when it is. The order matters: some are kinds of others."""
    match error:
        case OfflineModeIsEnabled():
            return refusals.offline(name)
        case GatedRepoError():
            return refusals.gated(name, has_token=bool(token()))
        case RepositoryNotFoundError():
            return refusals.not_found(name)
        case RevisionNotFoundError():
            return refusals.no_revision(name, revision)
        case HfHubHTTPError() if error.response.status_code in (401, 403):
            return refusals.gated(name, has_token=bool(token()))
        case HfHubHTTPError() | httpx2.HTTPError() | LocalEntryNotFoundError() | ConnectionError() | TimeoutError():
            return refusals.no_network(name)
        case OSError(errno=errno.ENOSPC):
            free = shutil.disk_usage(settings.HUB_CACHE_DIR).free
            return refusals.no_space(name, {"needed": "more room", "free": humanize.naturalsize(free)})
    return None
