"""The bytes of a file as they are to be read: unpacked, as UTF-8, in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from .compression import unpacked
from .encodings import as_utf_8
from .rows import CHUNK, Progress


def bytes_of(path: Path, compression: str = "", on_progress: Progress | None = None) -> Iterator[bytes]:
    """What the file holds once it is unpacked. `on_progress` hears how far the file itself was read."""
    chunks = _pieces(path, on_progress)
    return unpacked(chunks, compression) if compression else chunks


def text_of(
    path: Path, compression: str, encoding: str, *, old_mac: bool = False, on_progress: Progress | None = None
) -> Iterator[bytes]:
    """The file as UTF-8 whose lines end in `\\n`, before which there may be a `\\r`."""
    chunks = as_utf_8(bytes_of(path, compression, on_progress), encoding)
    return _with_new_lines(chunks) if old_mac else chunks


def _pieces(path: Path, on_progress: Progress | None) -> Iterator[bytes]:
    done = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            done += len(chunk)
            if on_progress:
                on_progress(done)
            yield chunk


def _with_new_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk.replace(b"\r", b"\n")
