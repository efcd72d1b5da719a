"""What kind of file it is: known by its contents, never by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .columns import Starts, column_starts
from .compression import NAMES, compression_of
from .dialects import DELIMITERS, Dialect, dialect_of
from .encodings import UTF_8, encoding_name, encoding_of
from .problems import Damaged, Unreadable
from .refusals import refuse_binary, refuse_packed, refuse_text
from .rows import Progress
from .streams import bytes_of, text_of

HEAD = 256 * 1024
PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class Container:
    """How the rows of a file are packed. `notes` are sentences for the person who sent it."""

    kind: str
    """"jsonl", "json" (a list or an object of lists), "csv", "tsv", "parquet", or "empty"."""
    compression: str = ""
    encoding: str = UTF_8
    notes: tuple[str, ...] = ()
    old_mac: bool = field(default=False, repr=False)
    dialect: Dialect | None = field(default=None, repr=False)
    starts: Starts | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        known = {"kind": self.kind, "compression": self.compression, "encoding": self.encoding}
        if self.dialect:
            known |= {"delimiter": DELIMITERS[self.dialect.delimiter], "quote": self.dialect.quote}
        return known | {"notes": list(self.notes)}

    def text(self, path: Path, on_progress: Progress | None = None) -> Iterator[bytes]:
        return text_of(path, self.compression, self.encoding, old_mac=self.old_mac, on_progress=on_progress)


def container_of(path: Path) -> Container:
    """Looks at the beginning of a file. Raises Unreadable, with advice, for what holds no rows that can be read."""
    head = _beginning(bytes_of(path))
    refuse_binary(head)
    if head.startswith(PARQUET_MAGIC):
        from .parquet import parquet_notes  # pyarrow takes half a second and 50 MB, which other files need not pay

        return Container("parquet", encoding="", notes=parquet_notes(path))
    compression = compression_of(head)
    if compression:
        head = _unpacked_beginning(path, compression)
        refuse_packed(head, NAMES[compression])
    return _text_container(path, compression, encoding_of(head))


def _beginning(chunks: Iterator[bytes]) -> bytes:
    held = b""
    while len(held) < HEAD and (more := next(chunks, b"")):
        held += more
    return held[:HEAD]


def _unpacked_beginning(path: Path, compression: str) -> bytes:
    head = b""
    try:
        for chunk in bytes_of(path, compression):
            head += chunk
            if len(head) >= HEAD:
                break
    except Damaged as damage:
        if not head:
            raise Unreadable("damaged", str(damage)) from damage
    return head[:HEAD]


def _text_container(path: Path, compression: str, encoding: str) -> Container:
    head, whole = _first_text(text_of(path, compression, encoding))
    refuse_text(head)
    old_mac = b"\r" in head and b"\n" not in head
    head = head.replace(b"\r", b"\n") if old_mac else head
    plain = Container("jsonl" if head else "empty", compression, encoding, old_mac=old_mac)
    if head.startswith(b"["):
        found = replace(plain, kind="json")
    elif _OBJECT.match(head):
        starts = column_starts(plain.text(path))
        found = replace(plain, kind="json" if starts else "jsonl", starts=starts)
    elif dialect := _dialect(head, whole):
        found = replace(plain, kind="tsv" if dialect.delimiter == "\t" else "csv", dialect=dialect)
    else:
        found = plain
    return replace(found, notes=tuple(_notes(found)))


_OBJECT = re.compile(rb'\{\s*"')


def _first_text(chunks: Iterator[bytes]) -> tuple[bytes, bool]:
    """The beginning of a text from its first character on, and whether that is all of it."""
    head = b""
    try:
        for chunk in chunks:
            head = (head + chunk).lstrip()
            if len(head) >= HEAD:
                return head[:HEAD], False
    except Damaged:
        return head, False
    return head, True


def _dialect(head: bytes, whole: bool) -> Dialect | None:
    """How a table is written; None for a text of which most lines are objects."""
    lines = head.splitlines()
    objects = sum(line.lstrip().startswith(b"{") for line in lines)
    return dialect_of(head.decode(UTF_8, "replace"), whole=whole) if 2 * objects < len(lines) else None


def _notes(container: Container) -> Iterator[str]:
    if container.encoding != UTF_8:
        shown = encoding_name(container.encoding)
        yield f"The text is {shown}, not UTF-8; it is read as that. See below whether all letters are right."
    if container.old_mac:
        yield "Lines end as on old Macs, in a carriage return alone."
    if container.dialect:
        yield from container.dialect.notes
