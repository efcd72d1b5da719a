"""How the portal speaks with the hub: with which token, for how long, and what its refusals mean in plain words."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
import humanize
from django.conf import settings
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from finetune_site.problems import Problem
from jobs.rulebook.findings import Finding

from . import refusals
from .models import BaseModel
from .refusals import refuse

PATIENCE = 10
"""Seconds to wait for the hub's answer."""
LONGEST_WAIT = 3600.0
"""Seconds: no hub makes the portal wait for longer, whatever it asks for."""
RESET = re.compile(r";\s*t=(\d+)")


class Passing(Problem):
    """A fault that may pass by itself: of the network, the hub or the disk. `wait`: seconds that the hub asks for."""

    def __init__(self, finding: Finding, wait: float = 0) -> None:
        super().__init__(finding.message, [finding])
        self.wait = wait


def token() -> str | bool:
    """Ours or none: never one that lies in the home of whoever started the portal."""
    return settings.ENVIRONMENT.hub_token or False


@contextmanager
def plain_words(model: BaseModel, revision: str) -> Iterator[None]:
    """Turn what the hub, the network or the disk refuse into a `Problem`, which is `Passing` when it may pass."""
    try:
        yield
    except (OSError, httpx2.HTTPError) as error:
        problem = _problem(error, model.name, revision)
        if problem is None:
            raise
        raise problem from error


def _problem(error: BaseException, name: str, revision: str) -> Problem | None:
    """What an error means; None when it is ours. The order matters: some are kinds of others."""
    match error:
        case LocalEntryNotFoundError() if error.__cause__:  # the library's word for any error without a copy at hand
            return _problem(error.__cause__, name, revision)
        case OfflineModeIsEnabled():
            return refuse(refusals.offline(name))
        case GatedRepoError():
            return refuse(refusals.gated(name, has_token=bool(token())))
        case RepositoryNotFoundError():
            return refuse(refusals.not_found(name))
        case RevisionNotFoundError():
            return refuse(refusals.no_revision(name, revision))
        case RemoteEntryNotFoundError():
            return refuse(refusals.file_gone(name))
        case HfHubHTTPError():
            return _answered(error.response, name)
        case httpx2.TimeoutException() | TimeoutError():
            return Passing(refusals.no_answer(name))
        case httpx2.HTTPError() | LocalEntryNotFoundError() | ConnectionError():
            return Passing(refusals.no_network(name))
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            free = shutil.disk_usage(settings.HUB_CACHE_DIR).free
            return Passing(refusals.no_space(name, {"needed": "more room", "free": humanize.naturalsize(free)}))
    return None


def _answered(response: httpx2.Response, name: str) -> Problem:
    """What the number of an answer means that says nothing else."""
    match response.status_code:
        case 401 if token():
            return refuse(refusals.wrong_token(name))
        case 401 | 403:
            return refuse(refusals.gated(name, has_token=bool(token())))
        case 404 | 410:
            return refuse(refusals.not_found(name))
        case 408 | 429:
            return Passing(refusals.too_many_calls(name), asked_wait(response.headers))
        case status if status >= 500:
            return Passing(refusals.hub_is_down(name, status), asked_wait(response.headers))
        case status:
            return refuse(refusals.hub_refuses(name, status))


def asked_wait(headers: Mapping[str, str]) -> float:
    """Seconds that an answer asks to wait: a number, a date, or the reset of a rate limit; 0 when it does not."""
    if reset := RESET.search(headers.get("RateLimit", "")):
        return min(float(reset[1]), LONGEST_WAIT)
    asked = headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return min(float(asked), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(asked)
    except ValueError:
        return 0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - datetime.now(UTC)).total_seconds(), 0), LONGEST_WAIT)
