"""The pages as a person meets them: fields by label, buttons by name."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


class NewJob:
    """The form of a new job."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.dialog = page.locator("#summary-dialog")

    def input(self, path: str) -> Locator:
        return self.page.locator(f'[id="id_{path.replace(".", "-")}"]')

    def findings(self, path: str) -> Locator:
        return self.page.locator(f'[id="findings-id_{path.replace(".", "-")}"] .finding')

    def choose(self, path: str, value: str) -> None:
        """Choose in a selector and wait until the server has answered."""
        with self.page.expect_response("**/jobs/check"):
            self.input(path).select_option(value)

    def pick(self, path: str, value: str) -> None:
        with self.page.expect_response("**/jobs/check"):
            self.card(path, value).check()

    def card(self, path: str, value: str) -> Locator:
        return self.page.locator(f'input[name="{path}"][value="{value}"]')

    def type(self, path: str, text: str) -> None:
        with self.page.expect_response("**/jobs/check"):
            self.input(path).fill(text)

    def fix(self, label: str) -> None:
        with self.page.expect_response("**/jobs/fix"):
            self.page.get_by_role("button", name=label).first.click()

    def check_and_start(self) -> None:
        self.page.locator("#check-and-start").click()
        expect(self.dialog).to_be_visible()

    def start(self) -> None:
        self.dialog.get_by_role("button", name="Start training").click()


def log_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 A and AA, one line each."""
    found: Any = Axe().run(page, options={"runOnly": STANDARDS}).response["violations"]
    return [f"{each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"][:3]]


def sideways(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    return int(page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth"))
