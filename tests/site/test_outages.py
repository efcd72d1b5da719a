"""A full disk and a database that is away are told as what they are, and a mistake of ours as ours."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError, connection
from django.test import Client

from finetune_site import bodies, outages
from finetune_site.outages import outage
from tests.make import make_user

pytestmark = pytest.mark.django_db


@contextmanager
def writes_raise(error: Exception) -> Iterator[None]:
    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            raise error
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse):
        yield


@pytest.fixture
def owner_client() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(make_user())
    return client


FULL = OperationalError("database or disk is full")
AWAY = OperationalError('connection to server on socket "/run/x" failed: Connection refused')
OURS = OperationalError("no such column: jobs_job.pryority")


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (FULL, 507, "The disk of the portal is full"),
        (AWAY, 503, "The database does not answer"),
        (OURS, 500, "reference"),
    ],
    ids=["full", "away", "ours"],
)
def test_a_page_that_cannot_write_says_why(owner_client: Client, error: Exception, status: int, words: str) -> None:
    with writes_raise(error):
        response = owner_client.post("/account/tokens/", {"name": "laptop", "days": "5"})
    assert response.status_code == status
    assert words in response.content.decode()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(FULL, 507, "storage.full"), (AWAY, 503, "database.away"), (OURS, 500, "site.unexpected")],
    ids=["full", "away", "ours"],
)
def test_a_call_that_cannot_write_says_why(owner_client: Client, error: Exception, status: int, code: str) -> None:
    with writes_raise(error):
        response = owner_client.post("/api/v1/auth/token/", {"username": "owner", "password": "x"}, "application/json")
    assert response.status_code == status
    assert [finding["code"] for finding in response.json()["findings"]] == [code]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="fills a database of SQLite")
def test_sqlite_itself_says_so_when_its_disk_is_full(owner_client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA page_count")
        [pages] = cursor.fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
        try:
            with pytest.raises(OperationalError) as full:
                for number in range(2000):
                    make_user(f"person {number} {'x' * 100}")
        finally:
            cursor.execute("PRAGMA max_page_count = 1073741823")
    assert outage(full.value) == outage(FULL)


def because(error: Exception) -> Exception:
    try:
        raise ValueError("could not save") from error
    except ValueError as raised:
        return raised


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "storage.full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "storage.full"),
        (because(OSError(errno.ENOSPC, "No space left on device")), "storage.full"),
        (OperationalError('could not extend file "base/1": No space left on device'), "storage.full"),
        (OperationalError("database is locked"), "database.away"),
        (OperationalError("the connection is closed"), "database.away"),
        (OperationalError("terminating connection due to administrator command"), "database.away"),
        (InterfaceError("connection already closed"), "database.away"),
        (OSError(errno.ENOENT, "No such file or directory"), None),
        (IntegrityError("UNIQUE constraint failed"), None),
        (OperationalError("too many SQL variables"), None),
        (ValueError("No space left on device"), None),
        (None, None),
    ],
)
def test_outages_are_known_by_what_the_system_says(error: Exception | None, code: str | None) -> None:
    told = outage(error)
    assert (told and told[0]) == code


@pytest.mark.parametrize(("free", "code"), [(0, "storage.full"), (10**9, "database.away")])
def test_sqlite_cannot_even_be_opened_when_the_last_byte_is_gone(
    free: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    told = outage(OperationalError("disk I/O error"))
    assert told and told[0] == code


def test_a_large_body_is_refused_in_words_while_the_database_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise AWAY

    monkeypatch.setattr(bodies, "judge", away)
    refused = bodies.judge_safely({"path": "/datasets/upload"}, 10**8)
    assert refused is not None and refused.status_code == 503
    monkeypatch.setattr(bodies, "judge", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bodies.judge_safely({"path": "/datasets/upload"}, 10**8)
