"""Unpacks gzip and Zstandard piece by piece, and stops at what unpacks to far more than any data would."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable, Iterator

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from .problems import Damaged, Unreadable
from .rows import CHUNK

MOST_UNPACKED = 64 * 2**30
MOST_RATIO = 250
"""Chats unpack to 3–20 times their size, one row repeated over and over to about 100; gzip ends at 1,032."""
JUDGED_FROM = 100_000_000
"""Smaller files may unpack to as much as they like."""
LARGEST_WINDOW = 26
"""64 MB, as a power of two: so much of what came before a Zstandard decoder holds in memory. `zstd -19` needs 8 MB."""

GZIP, ZSTD = "gzip", "zstd"
NAMES = {GZIP: "gzip", ZSTD: "Zstandard"}


def compression_of(head: bytes) -> str:
    """By the first bytes: "gzip", "zstd", or nothing."""
    if head.startswith(b"\x1f\x8b"):
        return GZIP
    is_skippable = head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F
    return ZSTD if head.startswith(b"\x28\xb5\x2f\xfd") or is_skippable else ""


def unpacked(chunks: Iterable[bytes], compression: str) -> Iterator[bytes]:
    """What the chunks unpack to, at most `CHUNK` at a time.

    Raises Damaged where the compressed data breaks off or makes no sense, Unreadable where it is a bomb.
    """
    read = _Count(chunks)
    written = 0
    for data in _DECODERS[compression](read):
        written += len(data)
        if written > JUDGED_FROM and (written > MOST_UNPACKED or written > MOST_RATIO * read.total):
            raise _bomb(written, read.total, compression)
        yield data


class _Count:
    """Chunks that are counted as they go by."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.total = 0
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.total += len(chunk)
            yield chunk


def _bomb(written: int, read: int, compression: str) -> Unreadable:
    return Unreadable(
        "unpacks-too-large",
        f"This {NAMES[compression]} file unpacks to over {written // 10**6:,} MB, {written // read:,} times as much as "
        f"was read of it. At most {MOST_UNPACKED // 2**30} GB and {MOST_RATIO} times as much are read. Unpack it and "
        "upload the rows.",
    )


def _gunzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Every member of the file: `cat a.gz b.gz` makes two. Zeros may fill up what lies behind them."""
    member = None
    padding = False
    for chunk in chunks:
        data = chunk
        while data := data.lstrip(b"\0") if padding else data:
            member, padding = member or zlib.decompressobj(wbits=31), False
            try:
                out = member.decompress(data, CHUNK)
            except zlib.error as error:
                raise _damaged(GZIP, "holds bytes that make no sense") from error
            if out:
                yield out
            data = member.unconsumed_tail
            if member.eof:
                data, member, padding = member.unused_data, None, True
    if member is not None:
        raise _damaged(GZIP, "ends too early")


def _unzstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Every frame of the file, of which there may be several."""
    frame = None
    for chunk in chunks:
        data = chunk
        while data or not (frame is None or frame.needs_input):
            frame = frame or zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: LARGEST_WINDOW})
            try:
                out = frame.decompress(data, CHUNK)
            except zstd.ZstdError as error:
                raise _not_unzstd(str(error)) from error
            if out:
                yield out
            data = b""
            if frame.eof:
                data, frame = frame.unused_data, None
    if frame is not None:
        raise _damaged(ZSTD, "ends too early")


def _not_unzstd(what: str) -> Exception:
    if "too much memory" not in what:
        return _damaged(ZSTD, "holds bytes that make no sense")
    return Unreadable(
        "window-too-large",
        f"Unpacking this Zstandard file needs more than {2 ** (LARGEST_WINDOW - 20)} MB of memory, as after --ultra "
        "or --long. Pack it again with at most -19.",
    )


def _damaged(compression: str, what: str) -> Damaged:
    name = NAMES[compression]
    return Damaged(f"The {name} data {what}, so nothing after this place can be read. Pack or upload the file again.")


_DECODERS: dict[str, Callable[[Iterable[bytes]], Iterator[bytes]]] = {GZIP: _gunzipped, ZSTD: _unzstd}
