"""Bodies that are too large are refused before they are kept.

Django writes a whole body to the temporary folder before it asks any view, or even who sends it. So whoever reaches
the port could fill the disk. This stands in front: it looks at what is announced, and counts what comes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from io import BytesIO
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.urls import reverse
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from .accounts.authentication import TokenAuthentication
from .problems import Problem, known_outage, problem

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

REFUSED = "foretune.refused"
"""Where the scope of a request carries the reason why its body was not read; a middleware answers with it."""

SMALL = 10_000_000
"""Bytes that every call takes from everybody; a specification has a thousand."""

ENVELOPE = 1_000_000
"""Bytes of an upload that are not the file."""

COPIES = 3
"""Times a body lies on the disk at once: as it came, as its file, and as a dataset."""


class BodyLimit:
    """An ASGI application around another."""

    def __init__(self, application: App) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = _announced(scope)
        refused = await sync_to_async(judge_safely)(scope, size) if size > SMALL else None
        if refused is None:
            counted = Counted(receive, max(size, SMALL))
            refused = await self._answered(scope, counted, send)
            refused = too_large(SMALL) if counted.left < 0 else refused
        if refused is not None:
            await self.application({**scope, REFUSED: refused}, _emptied(receive), send)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> Problem | None:
        """Pass the request on; the reason why its body could not be kept, where that is why there is no answer."""
        begun = False

        async def noticed(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.application(scope, receive, noticed)
        except OSError as error:  # Django writes the body down before anything of it could catch this
            full = None if begun else known_outage(error, scope["path"])
            if full is None:
                raise
            return full
        return None


class Counted:
    """Passes a body on until more came than may; the application then hears that the sender has gone, and ends."""

    def __init__(self, receive: Receive, most: int) -> None:
        self.receive, self.left = receive, most

    async def __call__(self) -> Message:
        message = await self.receive()
        self.left -= len(message.get("body", b""))
        return message if self.left >= 0 else {"type": "http.disconnect"}


def judge_safely(scope: Scope, size: int) -> Problem | None:
    """A database that cannot be asked refuses as well; nothing of Django stands around this to answer for it."""
    try:
        return judge(scope, size)
    except Exception as error:
        known = known_outage(error, scope["path"])
        if known is None:
            raise
        return known


def judge(scope: Scope, size: int) -> Problem | None:
    """Why a body of this size is not taken, if it is not."""
    limit = settings.ENVIRONMENT.max_upload_mb * 1_000_000 + ENVELOPE if _is_upload(scope) else SMALL
    if size > limit:
        return too_large(limit)
    if not _is_known(scope):
        return problem("file", "upload.not-logged-in", "Only people with an account may upload. Log in first.", 401)
    if COPIES * size > shutil.disk_usage(tempfile.gettempdir()).free:
        message = "The disk has no room to take this file in. Delete old datasets or ask an administrator."
        return problem("file", "upload.disk-full", message, 507)
    return None


def too_large(limit: int) -> Problem:
    message = (
        f"At most {limit // 1_000_000} MB are taken here, with their length announced; more was sent. Send less, "
        "split the file, or ask an administrator."
    )
    return problem(None, "request.too-large", message, 413)


def _announced(scope: Scope) -> int:
    """What Content-Length says; 0 without one, and what comes in pieces is then counted."""
    length = dict(scope.get("headers", ())).get(b"content-length", b"")
    return int(length) if length.isdigit() else 0


def _is_upload(scope: Scope) -> bool:
    return scope["method"] == "POST" and scope["path"] in (reverse("datasets:upload"), reverse("api:datasets-list"))


def _is_known(scope: Scope) -> bool:
    """Whether session or token belong to somebody: what the views will ask again, before gigabytes are taken in."""
    request = ASGIRequest(scope, BytesIO())
    request.session = SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    try:
        return get_user(request).is_authenticated or TokenAuthentication().authenticate(Request(request)) is not None
    except APIException:
        return False
    finally:
        connections.close_all()  # no request has begun, so nobody else closes it


def _emptied(receive: Receive) -> Receive:
    """An empty body; what goes on coming while the answer goes out is thrown away."""
    begun = False

    async def emptied() -> Message:
        nonlocal begun
        if not begun:
            begun = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (message := await receive())["type"] != "http.disconnect":
            pass
        return message

    return emptied
