"""One download, from the hub's listing to the last digest, in a process of its own, which outlives the queue.

It can be killed at any byte: what has arrived lies in the cache, and the next tick starts another that goes on there.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import humanize
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone
from django_q.tasks import async_task

from finetune_site.problems import Problem, new_reference
from jobs.database_away import keep_trying, unless_away

from . import refusals
from .download_plan import Plan, link, plan_of
from .hub_access import Passing, plain_words
from .looks import start_look
from .models import BaseModel, Download
from .transfer import bring

logger = logging.getLogger(__name__)
T = TypeVar("T")

EVERY = 0.5
"""Seconds between two words on progress."""
SPEED_OVER = 10.0
"""Seconds that the speed is a mean of."""
STREAMS = 4
"""Files fetched at once: a single connection seldom fills a line."""
SPARE = 512 * 1024**2
"""Bytes of the disk that downloads leave free."""
BACKOFF = (2, 10, 30, 60, 300, 600, 900, 900, 1800, 1800)
"""Seconds to wait after each failure in a row that brought nothing; after the last one the download has failed."""


class Cancelled(Exception):
    """The row says that nobody wants it any more, or that it is no longer ours."""


class Fetch:
    """Does what a row of a running download asks, and keeps the row up to date."""

    def __init__(self, download: Download) -> None:
        self.download, self.model = download, download.model
        self.plan: Plan | None = None
        self._stop = threading.Event()
        self._speed = Speed()
        self._found = 0

    def run(self) -> None:
        try:
            self._fetch()
        except Cancelled:
            self._end(Download.State.CANCELLED)
        except Passing as fault:
            self._put_off(fault)
        except Exception as error:
            self._end(Download.State.FAILED, error=self._finding(error))
        else:
            self._end(Download.State.DONE, error=None)
            start_look(self.model)
        finally:
            self._stop.set()
            unless_away(ring, None)

    def _fetch(self) -> None:
        revision = self.download.revision or "main"
        with plain_words(self.model, revision):
            self.plan = plan = self._meanwhile(lambda: plan_of(self.model, revision))
            self._found = plan.done
            keep_trying(lambda: self._reserve(plan))
            remember(self.model, plan)
            self._meanwhile(lambda: bring_all(plan, self._stop))

    def _reserve(self, plan: Plan) -> None:
        """Take what is needed of the disk, unless too little is left beside what others have taken. Raises `Passing`.

        The rows of all running downloads are locked, so that of two that come at once one sees the other.
        """
        needed = plan.total - plan.done
        with transaction.atomic():
            others = Download.objects.filter(state=Download.State.RUNNING, machine=self.download.machine)
            list(others.select_for_update().order_by("pk").values_list("pk"))
            taken = others.exclude(pk=self.download.pk).aggregate(Sum("bytes_reserved"))["bytes_reserved__sum"] or 0
            free = shutil.disk_usage(settings.HUB_CACHE_DIR).free
            if needed and needed + taken + SPARE > free:
                raise Passing(no_space(self.model, needed, free, taken))
            self._row.update(bytes_reserved=needed, bytes_total=plan.total, bytes_done=plan.done, bytes_found=plan.done)

    def _meanwhile(self, work: Callable[[], T]) -> T:
        """The answer of some work in a thread, so that the row is kept up to date even while the hub is silent."""
        future = in_thread(work)
        while not wait([future], EVERY).done:
            self._beat()
        return future.result()

    def _beat(self) -> None:
        """Say how far it is. Raises `Cancelled`."""
        done = self.plan.done if self.plan else 0
        row: dict[str, Any] = {"touched_at": timezone.now()}
        if self.plan:
            row |= {"bytes_done": done, "bytes_reserved": self.plan.total - done}
            row["bytes_per_second"] = self._speed.after(done)
        if self.plan and done > self._found:
            row |= {"tries": 0, "error": None}
        if not unless_away(lambda: self._row.filter(cancel_requested=False).update(**row), 1):
            raise Cancelled

    @property
    def _row(self) -> QuerySet[Download]:
        """Nothing, once another has taken the row."""
        ours = Download.objects.filter(pk=self.download.pk, state=Download.State.RUNNING)
        return ours.filter(started_at=self.download.started_at)

    def _put_off(self, fault: Passing) -> None:
        """Have it tried again later, unless that has been done too often without a byte."""
        brought = self.plan is not None and self.plan.done > self._found
        tries = 0 if brought else self.download.tries
        finding = fault.findings[0]
        if tries >= len(BACKOFF):
            self._end(Download.State.FAILED, error=refusals.given_up(finding, tries + 1).as_dict(), tries=tries)
            return
        pause = max(BACKOFF[tries], fault.wait)
        later = timezone.now() + timedelta(seconds=pause)
        logger.info("%s goes on in %.0f s: %s", self.download, pause, fault.message)
        self._end(Download.State.WAITING, error=finding.as_dict(), tries=tries + 1, not_before=later, finished_at=None)

    def _end(self, state: Download.State, **changes: Any) -> None:
        if self.plan:
            changes["bytes_done"] = self.plan.done
        nothing: dict[str, Any] = {"bytes_per_second": None, "bytes_reserved": 0, "finished_at": timezone.now()}
        keep_trying(lambda: self._row.update(state=state, **{**nothing, **changes}))

    def _finding(self, error: Exception) -> dict[str, Any]:
        """What the row of a failed download says; an error of ours is logged under a reference."""
        if isinstance(error, Problem) and error.findings:
            return error.findings[0].as_dict()
        reference = new_reference()
        logger.error("Download of %s failed unexpectedly, reference %s", self.model, reference, exc_info=error)
        return refusals.unexpected(self.model.name, reference).as_dict()


class Speed:
    """Bytes a second over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def after(self, done: int) -> int | None:
        now = time.monotonic()
        self._seen.append((now, done))
        while now - self._seen[0][0] > SPEED_OVER:
            self._seen.popleft()
        since, first = self._seen[0]
        return max(0, round((done - first) / (now - since))) if now > since else None


def bring_all(plan: Plan, stop: threading.Event) -> Path:
    """Fetch and prove every file, a few at a time; name them when all are here. The first error ends the others."""
    pool = ThreadPoolExecutor(STREAMS, "download")
    each = [pool.submit(bring, file, plan.blobs, stop) for file in plan.contents]
    try:
        for finished in wait(each, return_when=FIRST_EXCEPTION).done:
            finished.result()
    except BaseException:
        stop.set()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return link(plan)


def in_thread(work: Callable[[], T]) -> Future[T]:
    """Work in a thread that keeps no process alive."""
    future: Future[T] = Future()

    def do() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=do, daemon=True).start()
    return future


def remember(model: BaseModel, plan: Plan) -> None:
    """What the hub says now beats what the catalogue was seeded with."""
    rows = BaseModel.objects.filter(pk=model.pk)
    known = {"size_bytes": plan.total} if not plan.revision or plan.revision == "main" else {}
    keep_trying(lambda: rows.update(gated=plan.gated, **known))


def no_space(model: BaseModel, needed: int, free: int, taken: int) -> Any:
    others = f", of which other downloads will take {humanize.naturalsize(taken)}" if taken else ""
    sizes = {"needed": humanize.naturalsize(needed), "free": humanize.naturalsize(free), "others": others}
    return refusals.no_space(model.name, sizes)


def ring() -> None:
    """Wake the training queue of this machine: jobs may have waited for the model."""
    async_task("jobs.supervisor.tick", cluster=settings.TRAIN_QUEUE, save=False)
