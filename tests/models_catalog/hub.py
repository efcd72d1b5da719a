"""A small hub on loopback: just the calls that snapshot_download makes, with whatever misbehaviour a test wants."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + 34 * "0"
LARGE = 100_000


@dataclass
class Hub:
    """Repositories by name, each a folder's files. Set the other fields to make it misbehave."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    token: str = ""
    pause: float = 0.0
    break_off: bool = False
    served: list[str] = field(default_factory=list)
    address: str = ""

    def publish(self, name: str, folder: Path, **more: bytes) -> None:
        files = {file.name: file.read_bytes() for file in folder.iterdir()}
        self.repositories[name] = files | {key.replace("__", "."): value for key, value in more.items()}


@contextmanager
def running_hub() -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.served.append(f"{self.command} {path}")
        if path.startswith("/api/models/"):
            self._describe(path.removeprefix("/api/models/"))
        else:
            name, _, rest = path.removeprefix("/").partition("/resolve/")
            self._send_file(name, rest.partition("/")[2])

    def _describe(self, path: str) -> None:
        name = "/".join(path.split("/")[:2])
        files = self.hub.repositories.get(name)
        if files is None:
            self._refuse(404, "RepoNotFound")
        elif "/revision/" in path and not path.endswith(("/main", COMMIT)):
            self._refuse(404, "RevisionNotFound")
        elif "/tree/" in path:
            self._send_json([_entry(name, content) for name, content in files.items()])
        else:
            siblings = [_sibling(name, content) for name, content in files.items()]
            gated = "manual" if name in self.hub.gated else False
            self._send_json({"id": name, "sha": COMMIT, "gated": gated, "siblings": siblings})

    def _send_file(self, name: str, file: str) -> None:
        content = self.hub.repositories.get(name, {}).get(file)
        if content is None:
            self._refuse(404, "EntryNotFound")
        elif name in self.hub.gated and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self._refuse(401, "GatedRepo")
        else:
            self._send(200, content, {"ETag": f'"{_etag(content)}"', "X-Repo-Commit": COMMIT})

    def _send_json(self, content: Any) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items() | {("Content-Length", str(len(body)))}:
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self._send_body(body)

    def _send_body(self, body: bytes) -> None:
        """Large files pause in the middle, or break off before they begin."""
        if len(body) > LARGE and self.hub.break_off:
            self.close_connection = True
            return
        half = len(body) // 2 if len(body) > LARGE else 0
        self.wfile.write(body[:half])
        time.sleep(self.hub.pause if half else 0)
        self.wfile.write(body[half:])


def _etag(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _entry(path: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": len(content), "oid": _etag(content)}


def _sibling(path: str, content: bytes) -> dict[str, Any]:
    return {"rfilename": path, "size": len(content), "blobId": _etag(content)}
