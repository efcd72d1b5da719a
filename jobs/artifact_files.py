"""Sending what a job made: one file, or all of them as a zip made on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header
from zipstream import ZipStream

from .models import Job
from .run_folder import RunFolder

CHUNK = 1 << 20


def artifact_path(job: Job, name: str) -> Path:
    """Where a file of the job's result lies. Only names the result lists are looked for."""
    listed = [each["name"] for each in job.result.get("artifacts", [])]
    path = RunFolder(job.run_dir).output / name
    if name not in listed or not path.is_file():
        raise Http404
    return path


def send_file(request: HttpRequest, path: Path) -> StreamingHttpResponse:
    return _send(request, _chunks(path), path.name, path.stat().st_size)


def send_all(request: HttpRequest, job: Job) -> StreamingHttpResponse:
    """All artifacts in one zip, stored without compression, so that its length is known beforehand."""
    archive = ZipStream(sized=True)
    for each in job.result.get("artifacts", []):
        archive.add_path(artifact_path(job, each["name"]), each["name"])
    return _send(request, iter(archive), f"job-{job.pk}.zip", len(archive))


def _send(request: HttpRequest, parts: Iterator[bytes], name: str, size: int) -> StreamingHttpResponse:
    """Under ASGI the parts come from an async iterator: Django would gather a plain one in memory."""
    body = _without_blocking(parts) if isinstance(request, ASGIRequest) else parts
    response = StreamingHttpResponse(body, content_type="application/octet-stream")
    response.headers["Content-Length"] = str(size)
    response.headers["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


async def _without_blocking(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    def following() -> bytes | None:
        return next(parts, None)

    while (part := await sync_to_async(following, thread_sensitive=False)()) is not None:
        yield part
