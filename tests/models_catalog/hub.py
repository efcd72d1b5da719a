"""A small hub on loopback: the calls that a download makes, with whatever misbehaviour a test wants."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

COMMIT = "c0ffee" + 34 * "0"
LARGE = 100_000
"""Files above so many bytes are kept apart (LFS), named by their SHA-256, and may be slow."""
CHUNK = 16_384


@dataclass
class Refusal:
    """What calls whose path contains `part` get instead of an answer, `times` times."""

    part: str
    status: int
    times: int
    headers: dict[str, str]


@dataclass
class Hub:
    """Repositories by name, each a folder's files. Set the other fields to make it misbehave."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    token: str = ""
    pause: float = 0.0
    """Seconds that a large file stops for in the middle."""
    silence: float = 0.0
    """Seconds before it answers whoever wants a large file."""
    bytes_per_second: int = 0
    break_off_after: list[int] = field(default_factory=list)
    """Bytes after which the next connections to large files break off."""
    ranges: bool = True
    spoilt: Counter[str] = field(default_factory=Counter)
    """How many times a file comes with other bytes than promised."""
    refusals: list[Refusal] = field(default_factory=list)
    elsewhere: str = ""
    """Address of another host that large files are sent on to."""
    served: list[str] = field(default_factory=list)
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Path and headers of each GET for a file."""
    sent: Counter[str] = field(default_factory=Counter)
    """Bytes of each file that have left."""
    address: str = ""

    def publish(self, name: str, folder: Path, **more: bytes) -> None:
        files = {file.name: file.read_bytes() for file in folder.iterdir()}
        self.repositories[name] = files | {key.replace("__", "."): value for key, value in more.items()}

    def refuse(self, part: str, status: int, times: int = 10**6, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.refusals.append(Refusal(part, status, times, named))


@contextmanager
def running_hub() -> Iterator[Hub]:
    hub = Hub()
    with _serving(hub) as hub.address:
        yield hub


@contextmanager
def running_elsewhere(hub: Hub) -> Iterator[Hub]:
    """Another host with the large files of `hub`, which sends there whoever wants one."""
    other = Hub(hub.repositories)
    with _serving(other) as hub.elsewhere:
        yield other


@contextmanager
def _serving(hub: Hub) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with suppress(ConnectionError):  # whoever asked has gone
            super().handle()

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.served.append(f"{self.command} {path}")
        if refusal := next((each for each in self.hub.refusals if each.part in path and each.times), None):
            refusal.times -= 1
            self._send(refusal.status, b"", refusal.headers)
        elif path.startswith("/api/models/"):
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
        if self.command == "GET":
            self.hub.calls.append((file, dict(self.headers)))
        if content is None:
            self._refuse(404, "EntryNotFound")
        elif name in self.hub.gated and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self._refuse(401, "GatedRepo")
        elif len(content) > LARGE and self.hub.elsewhere:
            named = {"X-Linked-Etag": f'"{_content_name(content)}"', "X-Linked-Size": str(len(content))}
            there = f"{self.hub.elsewhere}/{quote(name)}/resolve/{COMMIT}/{quote(file)}"
            self._send(302, b"", {"Location": there, "X-Repo-Commit": COMMIT, **named})
        else:
            self._send_bytes(file, content)

    def _send_bytes(self, file: str, content: bytes) -> None:
        headers = {"ETag": f'"{_content_name(content)}"', "X-Repo-Commit": COMMIT}
        if self.command == "GET" and len(content) > LARGE:
            time.sleep(self.hub.silence)
        if self.command == "GET" and self.hub.spoilt[file]:
            self.hub.spoilt[file] -= 1
            content = content[:-1] + bytes([content[-1] ^ 1])
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not asked or not self.hub.ranges:
            self._send(200, content, headers, file)
        elif (start := int(asked[1])) >= len(content):
            self._send(416, b"", {})
        else:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._send(206, content[start:], headers, file)

    def _send_json(self, content: Any) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code})

    def _send(self, status: int, body: bytes, headers: dict[str, str], file: str = "") -> None:
        self.send_response(status)
        for name, value in headers.items() | {("Content-Length", str(len(body)))}:
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET" and len(body) > LARGE:
            self._send_slowly(body, file)
        elif self.command == "GET":
            self.wfile.write(body)
            self.hub.sent[file] += len(body)

    def _send_slowly(self, body: bytes, file: str) -> None:
        """As fast as the hub pleases, to where it pleases."""
        end = self.hub.break_off_after.pop(0) if self.hub.break_off_after else len(body)
        pause_at = len(body) // 2 if self.hub.pause else len(body)
        at = 0
        while at < end:
            chunk = body[at : min(at + CHUNK, end)]
            self.wfile.write(chunk)
            self.hub.sent[file] += len(chunk)
            at += len(chunk)
            if self.hub.bytes_per_second:
                time.sleep(len(chunk) / self.hub.bytes_per_second)
            if pause_at <= at:
                time.sleep(self.hub.pause)
                pause_at = len(body)
        if end < len(body):
            self.close_connection = True


def _content_name(content: bytes) -> str:
    """As the hub names contents: large ones by their SHA-256, small ones as git does."""
    return hashlib.sha256(content).hexdigest() if len(content) > LARGE else _git_name(content)


def _git_name(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _entry(path: str, content: bytes) -> dict[str, Any]:
    apart = {"lfs": {"oid": _content_name(content), "size": len(content), "pointerSize": 134}}
    plain = {"type": "file", "path": path, "size": len(content), "oid": _git_name(content)}
    return plain | (apart if len(content) > LARGE else {})


def _sibling(path: str, content: bytes) -> dict[str, Any]:
    apart = {"lfs": {"sha256": _content_name(content), "size": len(content), "pointerSize": 134}}
    plain = {"rfilename": path, "size": len(content), "blobId": _git_name(content)}
    return plain | (apart if len(content) > LARGE else {})
