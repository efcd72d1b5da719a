"""A real Chromium against a live server. A test fails on any console message or request that leaves the portal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.make import make_user

WAIT = 20_000
"""Milliseconds for what takes a moment on an idle machine. Only what fails waits so long."""
DESKTOP, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.browser)


class Watched:
    """What a page said in its console, and where it asked for anything."""

    def __init__(self, page: Page, home: str) -> None:
        self.said: list[str] = []
        self.page, self.home = page, urlsplit(home).netloc
        self.under_way: set[Request] = set()
        self.rests = False
        page.on("console", lambda message: self._say(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self._say(f"error: {error}"))
        page.on("request", self._asked)
        page.on("requestfinished", lambda request: self.under_way.discard(request))
        page.on("requestfailed", lambda request: self.under_way.discard(request))

    def _say(self, text: str) -> None:
        if not self.rests:
            self.said.append(text)

    def _asked(self, request: Request) -> None:
        self.under_way.add(request)
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https") and parts.netloc != self.home:
            self._say(f"request to {request.url}")

    def rest(self) -> None:
        """Ask for nothing more, and wait for the last answers: they read the database, which is emptied next."""
        self.rests = True
        self.page.route("**", lambda route: route.abort())
        end = time.monotonic() + WAIT / 1000
        while self.under_way and time.monotonic() < end:
            self.page.wait_for_timeout(20)

    def forget(self, *about: str) -> None:
        """Leave out what a test has provoked."""
        self.said = [each for each in self.said if not any(text in each for text in about)]


expect.set_options(timeout=WAIT)
OpenPage = Callable[..., Page]


@pytest.fixture
def browse(chromium: Browser, live_server: Any) -> Iterator[OpenPage]:
    """Open a page as somebody: `browse(owner, "/jobs/", theme="dark", viewport=PHONE, scripts=False)`."""
    opened: list[tuple[BrowserContext, Watched]] = []

    def open_page(
        user: User | None, address: str, *, theme: str = "light", viewport: Any = None, scripts: bool = True
    ) -> Page:
        context = chromium.new_context(
            base_url=live_server.url,
            viewport=viewport or DESKTOP,
            color_scheme="dark" if theme == "dark" else "light",
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        context.set_default_timeout(WAIT)
        if user is not None:
            context.add_cookies([_session(user, live_server.url)])
        page = context.new_page()
        page.watched = Watched(page, live_server.url)  # type: ignore[attr-defined]
        opened.append((context, page.watched))  # type: ignore[attr-defined]
        page.goto(address)
        return page

    yield open_page
    for context, watched in opened:
        watched.rest()
        context.close()
    assert [each for _, watched in opened for each in watched.said] == []


def _session(user: User, url: str) -> Any:
    client = Client()
    client.force_login(user)
    return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}


@pytest.fixture
def owner(live_server: Any) -> User:
    return make_user("owner")
