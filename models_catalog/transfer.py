"""Brings one file of the hub into the cache. It goes on from the bytes that lie there, and keeps none that are wrong.

The hub's own library gives each try a file of its own and deletes it when the try fails, so that a process that is
killed at 14 of 15 GB leaves nothing. Where things lie and what they are called is the library's way nevertheless:
what has arrived is found by everything that reads its cache.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Protocol

import httpx2
from huggingface_hub import get_session, hf_hub_url, hf_raise_for_status

from . import refusals
from .hub_access import PATIENCE, token
from .hub_files import PART
from .refusals import refuse

logger = logging.getLogger(__name__)

STALL = 30.0
"""Seconds without a byte after which a connection counts as dead."""
PAUSE = 1.0
"""Seconds before going on after a connection that broke."""
MOST_BREAKS = 50
"""Connections to one file that may break, each after having brought something, before the download is put off."""
SHA256, SHA1 = 64, 40
DIGEST = re.compile(rf"[0-9a-f]{{{SHA256}}}|[0-9a-f]{{{SHA1}}}")
READ = 1 << 20


class Interrupted(Exception):
    """The download was told to stop."""


class WrongBytes(Exception):
    """The file is not what the hub promises."""


class _Digest(Protocol):
    def update(self, chunk: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True)
class RemoteFile:
    """One file of a commit. `content` is the SHA-256 of large files and git's name of small ones."""

    model: str
    commit: str
    path: str
    size: int
    content: str

    @property
    def url(self) -> str:
        return hf_hub_url(self.model, self.path, revision=self.commit)

    def digest(self) -> _Digest:
        """What must come to `content` when fed with the file."""
        if len(self.content) == SHA256:
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)


def bring(file: RemoteFile, blobs: Path, stop: threading.Event) -> None:
    """Put a file under its content's name. Wrong bytes are thrown away and fetched once more. Raises `Problem` then."""
    whole, part = blobs / file.content, blobs / f"{file.content}{PART}"
    if whole.is_file() and size_of(whole) == file.size:
        return
    whole.unlink(missing_ok=True)
    for _ in range(2):
        try:
            _complete(part, file, stop)
        except WrongBytes as wrong:
            logger.warning("%s of %s was thrown away: %s", file.path, file.model, wrong)
            part.unlink(missing_ok=True)
        else:
            part.replace(whole)
            return
    raise refuse(refusals.damaged(file.model, file.path))


def size_of(file: Path) -> int:
    """Bytes of a file; 0 when it is not there."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _complete(part: Path, file: RemoteFile, stop: threading.Event) -> None:
    """Fetch what the partial file lacks, and prove it. A connection that brought something is taken up again."""
    with part.open("a+b", buffering=0) as growing:
        target = _Growing(growing, file, stop)
        breaks = 0
        while target.at < file.size:
            before = target.at
            try:
                target.go_on()
            except httpx2.TransportError as error:
                breaks += 1
                if target.at <= before or breaks > MOST_BREAKS:
                    raise
                logger.info("%s of %s broke off at %d bytes: %s", file.path, file.model, target.at, error)
                stop.wait(PAUSE)
        target.prove()
        os.fsync(growing.fileno())  # or a power cut leaves a whole file of zeros


class _Growing:
    """A partial file with the digest of what is in it."""

    def __init__(self, part: BinaryIO, file: RemoteFile, stop: threading.Event) -> None:
        self.part, self.file, self.stop = part, file, stop
        self.at = 0
        self.digest = file.digest()
        self._read_what_lies_there()

    def _read_what_lies_there(self) -> None:
        self.part.seek(0)
        for chunk in iter(lambda: self.part.read(READ), b""):
            self._count(chunk)
        if self.at > self.file.size:
            self._begin_anew()

    def go_on(self) -> None:
        """One connection to the hub, from where the file ends."""
        headers = {"Accept-Encoding": "identity"}  # or there would be no saying where to go on
        if secret := token():
            headers["Authorization"] = f"Bearer {secret}"  # left out when the hub sends us on to another host
        if self.at:
            headers["Range"] = f"bytes={self.at}-"
        patience = httpx2.Timeout(PATIENCE, read=STALL)
        with get_session().stream("GET", self.file.url, headers=headers, timeout=patience) as response:
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise WrongBytes(f"the hub has no more than {self.at} of {self.file.size} bytes")
            hf_raise_for_status(response)
            if self.at and not self._continues(response):
                self._begin_anew()
            self._take(response)

    def _continues(self, response: httpx2.Response) -> bool:
        """Whether the answer begins where the file ends; not all servers and proxies can."""
        range_ = response.headers.get("Content-Range", "")
        return response.status_code == HTTPStatus.PARTIAL_CONTENT and range_.startswith(f"bytes {self.at}-")

    def _take(self, response: httpx2.Response) -> None:
        before = self.at
        for chunk in response.iter_bytes():
            if self.at + len(chunk) > self.file.size:
                raise WrongBytes(f"the hub sent more than {self.file.size} bytes")
            self._write(chunk)
            self._count(chunk)
        if self.at == before:
            raise httpx2.RemoteProtocolError("The answer was empty.")

    def _write(self, chunk: bytes) -> None:
        left = memoryview(chunk)
        while left:  # a disk that is nearly full takes a part of it
            left = left[self.part.write(left) :]

    def _count(self, chunk: bytes) -> None:
        if self.stop.is_set():
            raise Interrupted
        self.at += len(chunk)
        self.digest.update(chunk)

    def _begin_anew(self) -> None:
        self.part.truncate(0)
        self.at, self.digest = 0, self.file.digest()

    def prove(self) -> None:
        if self.digest.hexdigest() != self.file.content:
            raise WrongBytes(f"its digest is {self.digest.hexdigest()}, not {self.file.content}")
