"""Files that hold no rows that can be read here, and what their owners can do about it."""

from __future__ import annotations

import re

from .problems import Unreadable

SAVE_AS = "Save its rows as JSON lines, CSV or Parquet and upload that."
UNPACK = "Unpack it and upload the files one by one; a single file may be packed with gzip or Zstandard."
_BINARY = (
    (b"PK\x03\x04", "a ZIP archive", UNPACK),
    (b"PK\x05\x06", "an empty ZIP archive", UNPACK),
    (b"%PDF", "a PDF", "Take its text out and save it as JSON lines, one object with a “text” a line."),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file", "Open it in Excel or Word and save it as CSV UTF-8."),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"BZh", "bzip2-compressed", UNPACK),
    (b"\xfd7zXZ\x00", "xz-compressed", UNPACK),
    (b"ARROW1\x00\x00", "an Arrow file", "Save the table as Parquet and upload that."),
    (b"\xff\xff\xff\xff", "an Arrow stream", "Save the table as Parquet and upload that."),
    (b"FEA1", "a Feather file", "Save the table as Parquet and upload that."),
    (b"SQLite format 3\x00", "an SQLite database", "Export a table of it as CSV and upload that."),
    (b"\x93NUMPY", "a NumPy array", SAVE_AS),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", SAVE_AS),
    (b"Obj\x01", "an Avro file", SAVE_AS),
    (b"\x89PNG\r\n\x1a\n", "a picture", "Only text can be trained."),
    (b"\xff\xd8\xff", "a picture", "Only text can be trained."),
    (b"GIF8", "a picture", "Only text can be trained."),
    (b"\x80\x04\x95", "a Python pickle, which can run code when it is read", SAVE_AS),
)
"""What files of each kind begin with."""
_LFS = re.compile(rb"version https://git-lfs\.github\.com/spec/")
_PAGE = re.compile(rb"<(?:!doctype\s+html|html|head)\b", re.IGNORECASE)
_XML = re.compile(rb"<\?xml\b")


def refuse_binary(head: bytes) -> None:
    """Raises Unreadable for a file that is known to be something else by its first bytes."""
    if head.startswith(b"PK\x03\x04") and (b"[Content_Types].xml" in head or b"xl/" in head):
        raise _is("an Excel or Word file", "Open it and save it as CSV UTF-8, then upload that.")
    for begins, what, advice in _BINARY:
        if head.startswith(begins):
            raise _is(what, advice)


def refuse_packed(head: bytes, packing: str) -> None:
    """The same for what a gzip or Zstandard file unpacks to."""
    if head[257:262] == b"ustar":
        raise _is(f"an archive of several files (tar), packed with {packing}", UNPACK)
    if head.startswith(b"PAR1"):
        raise _is(f"a Parquet file packed with {packing}", "Unpack it: Parquet is compressed already.")
    if head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        raise _is(f"packed twice, the second time with {packing}", "Unpack it once and upload that.")
    refuse_binary(head)


def refuse_text(head: bytes) -> None:
    """Raises Unreadable for a text, given as UTF-8 from its first character on, that holds no rows."""
    if _LFS.match(head):
        advice = "Fetch the file itself, with git lfs pull or the download button, and upload that."
        raise Unreadable("git-lfs", f"The file is only the address of a file that Git LFS keeps elsewhere. {advice}")
    if _PAGE.match(head):
        advice = "Download the file itself: this is often the page that asks to log in."
        raise Unreadable("web-page", f"The file is a web page, not data. {advice}")
    if _XML.match(head):
        raise _is("XML", SAVE_AS)
    if _is_binary(head):
        raise _is("binary", "Upload JSON lines, a JSON list, CSV, TSV or Parquet.")


def _is_binary(head: bytes) -> bool:
    """NUL or broken UTF-8. In a text that begins like JSON it takes many NULs: single bad rows are only reported."""
    if head.startswith((b"[", b"{")):
        return head.count(0) > len(head) // 10
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # a character may be cut where the head ends
            return not _mostly_text(head)
        return len(head) <= 4
    return 100 * len(_CONTROL.findall(head)) > len(head) or 0 in head


def _mostly_text(head: bytes) -> bool:
    """Whether only few of the characters are broken, and none of them are control characters."""
    broken = head.decode("utf-8", "replace").count("\ufffd")
    return 50 * broken < len(head) and not _CONTROL.search(head)


_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a]")


def _is(what: str, advice: str) -> Unreadable:
    return Unreadable("binary", f"The file is {what}. {advice}")
