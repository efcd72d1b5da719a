"""Bodies that are too large are refused before Django keeps them."""

from __future__ import annotations

import asyncio
import errno
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIHandler
from django.test import Client

from finetune_site import bodies
from finetune_site.accounts.tokens import create_token
from finetune_site.asgi import application
from finetune_site.portal.web import receive_bodies_in
from tests.make import make_user

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
UPLOAD, JOBS = "/api/v1/datasets/", "/api/v1/jobs/"
GB = 1_000_000_000


@pytest.fixture(autouse=True)
def _nobody_keeps_a_large_body(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read_body(self: ASGIHandler, receive: Any) -> Any:
        kept = await whole(self, receive)
        assert kept.seek(0, 2) <= bodies.SMALL
        kept.seek(0)
        return kept

    whole = ASGIHandler.read_body
    monkeypatch.setattr(ASGIHandler, "read_body", read_body)


def send(path: str, size: int | None, *, pieces: Iterable[bytes] = (), **headers: str) -> int:
    """Post that much to the portal; answers the status."""
    return async_to_sync(_send)(path, size, iter(pieces), headers)


async def _send(path: str, size: int | None, pieces: Iterator[bytes], headers: dict[str, str]) -> int:
    announced = {} if size is None else {"content-length": str(size)}
    every = {"host": "localhost", "content-type": "application/json", **announced, **headers}
    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": b"", "http_version": "1.1",
        "headers": [(name.encode(), value.encode()) for name, value in every.items()],
    }  # fmt: skip
    answered: list[Any] = []
    read: list[dict[str, Any]] = []

    done = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        if done.is_set() or (read and not read[-1]["more_body"]):
            await done.wait()
            return {"type": "http.disconnect"}
        piece = next(pieces, None)
        read.append({"type": "http.request", "body": piece or b"", "more_body": piece is not None})
        return read[-1]

    async def answer(message: Any) -> None:
        answered.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            done.set()

    await application(scope, receive, answer)
    return int(answered[0]["status"])


def token(name: str = "owner") -> dict[str, Any]:
    return {"authorization": f"Token {create_token(user=make_user(name), name='t', days=1)[1]}"}


@pytest.mark.parametrize("path", [JOBS, "/login/", "/api/v1/nowhere/", "/admin/login/"])
def test_a_large_body_is_refused_where_nothing_large_is_wanted(path: str) -> None:
    assert send(path, 50_000_000) == 413


def test_a_small_body_goes_on_to_its_view() -> None:
    assert send(JOBS, 2, pieces=[b"{}"]) == 401
    assert send(JOBS, 2, pieces=[b"{}"], **token()) == 400


def test_a_body_in_pieces_is_counted() -> None:
    assert send(JOBS, None, pieces=(b"x" * 1_000_000 for _ in range(100)), **token()) == 413
    assert send(JOBS, None, pieces=[b"{", b"}"], **token("other")) == 400


def test_a_stranger_cannot_send_a_large_upload() -> None:
    assert send(UPLOAD, GB) == 401
    assert send(UPLOAD, GB, authorization="Token nonsense") == 401
    assert send("/datasets/upload", GB, cookie="sessionid=nonsense") == 401


def test_an_upload_beyond_the_limit_or_the_disk_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = token()
    assert send(UPLOAD, 900 * GB, **mine) == 413
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * GB))
    assert send(UPLOAD, GB, **mine) == 507


def test_who_is_logged_in_may_send_a_large_upload(client: Client) -> None:
    assert bodies.judge(_upload(token()), 11_000_000) is None
    client.force_login(make_user("other"))
    assert bodies.judge(_upload({"cookie": f"sessionid={client.cookies['sessionid'].value}"}), 11_000_000) is None


def _upload(headers: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "http", "method": "POST", "path": UPLOAD,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip


def test_bodies_are_taken_in_at_home_and_torn_ones_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "torn.upload").write_text("half")
    receive_bodies_in(tmp_path / "incoming")
    assert tempfile.gettempdir() == str(tmp_path / "incoming")
    assert not list((tmp_path / "incoming").iterdir())


def test_a_body_for_which_the_disk_has_no_room_is_answered_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(self: ASGIHandler, receive: Any) -> Any:
        if (await receive()).get("body"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return BytesIO()

    monkeypatch.setattr(ASGIHandler, "read_body", full)
    assert send(JOBS, 1000, pieces=[b"x" * 1000]) == 507


def test_any_other_trouble_with_a_body_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: ASGIHandler, receive: Any) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(ASGIHandler, "read_body", broken)
    with pytest.raises(OSError, match="Input/output"):
        send(JOBS, 1000, pieces=[b"x" * 1000])
