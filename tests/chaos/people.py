"""Somebody who uses the portal by its API, and does not mind that it is away now and then."""

from __future__ import annotations

import time
from typing import Any

import httpx2

PATIENCE = 90.0
"""Seconds for which one tries again what the portal does not answer."""


class Person:
    def __init__(self, address: str, token: str) -> None:
        self.client = httpx2.Client(
            base_url=address, headers={"Authorization": f"Token {token}"}, timeout=20, trust_env=False
        )

    def jobs(self, **wanted: Any) -> list[dict[str, Any]]:
        """All jobs that this person sees. Raises what httpx raises when the portal is away."""
        answer = self.client.get("/api/v1/jobs/", params={"page_size": 100, **wanted})
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["results"]
        return found

    def job(self, pk: int) -> dict[str, Any]:
        found: dict[str, Any] = self.keep_asking("GET", f"/api/v1/jobs/{pk}/").json()
        return found

    def keep_asking(self, method: str, path: str, **given: Any) -> httpx2.Response:
        """Ask until there is an answer that is not a failure of the portal."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self.client.request(method, path, **given)
                if answer.status_code < 500:
                    return answer
                trouble = f"{answer.status_code} {answer.text[:200]}"
            except httpx2.HTTPError as error:
                trouble = repr(error)
            if time.monotonic() > until:
                raise TimeoutError(f"{method} {path}: {trouble}")
            time.sleep(0.5)
