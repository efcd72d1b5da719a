"""Files sent to whoever asked, made on the way or read from disk, never held in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header
from rest_framework.renderers import JSONRenderer

CHUNK = 1 << 20


class FileRenderer(JSONRenderer):
    """Lets a caller of the API ask for a file by its type; an error is JSON all the same."""

    media_type = "application/octet-stream"


def send(request: HttpRequest, parts: Iterator[bytes], name: str, *, size: int | None = None) -> StreamingHttpResponse:
    """Under ASGI the parts come from an async iterator: Django would gather a plain one in memory."""
    body = _without_blocking(parts) if isinstance(request, ASGIRequest) else parts
    response = StreamingHttpResponse(body, content_type="application/octet-stream")
    if size is not None:
        response.headers["Content-Length"] = str(size)
    response.headers["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response


def chunks_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


async def _without_blocking(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    def following() -> bytes | None:
        return next(parts, None)

    while (part := await sync_to_async(following, thread_sensitive=False)()) is not None:
        yield part
