"""Which characters the bytes of a text stand for, and the text as UTF-8 whatever they are.

What cannot be read in its encoding becomes bytes that are no UTF-8 either, so that the row says so: nothing is
replaced in silence.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator

from charset_normalizer import from_bytes

UTF_8 = "utf-8"
_MARKS = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""UTF-32 first: its mark begins like that of UTF-16."""
_WITHOUT_MARK = (
    (re.compile(rb"[^\0]\0\0\0[^\0]\0\0\0", re.DOTALL), "utf-32-le"),
    (re.compile(rb"\0\0\0[^\0]\0\0\0[^\0]", re.DOTALL), "utf-32-be"),
    (re.compile(rb"[^\0]\0[^\0]\0", re.DOTALL), "utf-16-le"),
    (re.compile(rb"\0[^\0]\0[^\0]", re.DOTALL), "utf-16-be"),
)
"""The first characters of data are ASCII in every format, which tells the width of all (as in RFC 4627, section 3)."""
LEGACY = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r", "mac_roman", "shift_jis",
    "euc_jp", "gb18030", "big5", "euc_kr",
)  # fmt: skip
NAMES = {"cp1252": "Windows-1252 (Western)", "cp1251": "Windows-1251 (Cyrillic)", "cp1250": "Windows-1250"}
CONTEXT = 200
MOST_JUDGED = 20_000
"""So many bytes around those that are not ASCII are enough to judge an encoding by."""


def encoding_of(head: bytes) -> str:
    """The encoding of a text by its beginning. UTF-8 unless something speaks against it."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    for begins, encoding in _WITHOUT_MARK:
        if begins.match(head):
            return encoding
    return UTF_8 if _is_utf_8(head) else _legacy(head)


def encoding_name(encoding: str) -> str:
    """As people know it."""
    return NAMES.get(encoding, encoding.replace("_", "-").upper())


def _is_utf_8(head: bytes) -> bool:
    """Whether the head is UTF-8, perhaps with a broken character here and there, which single rows then tell."""
    try:
        codecs.getincrementaldecoder(UTF_8)().decode(head)
    except UnicodeDecodeError:
        text = head.decode(UTF_8, "surrogateescape")
    else:
        return True  # nearly every file, in a hundredth of the time
    broken = sum(map(len, _ESCAPED.findall(text)))
    whole = len(_BEYOND_ASCII.findall(text)) - broken
    return not broken or whole >= broken or bool(_ENCODED_SURROGATE.search(head))


_ESCAPED = re.compile("[\udc80-\udcff]+")
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")
_ENCODED_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")


def _legacy(head: bytes) -> str:
    """The likeliest encoding of a text from before UTF-8; UTF-8 when none makes words of the bytes."""
    told = b"\n".join(_around_beyond_ascii(head))
    if not _IN_WORDS.search(told) or 20 * len(_PRINTED_ASCII.findall(head)) < len(head):
        return UTF_8
    best = from_bytes(told, cp_isolation=list(LEGACY), enable_fallback=False).best()
    if best is None:
        return UTF_8
    alike = (encoding for encoding in LEGACY if told.decode(encoding, "replace") == str(best))
    return next(alike, best.encoding)


_IN_WORDS = re.compile(rb"[A-Za-z][\x80-\xfd]|[\x80-\xfd][A-Za-z]|[\x80-\xfd]{2}")
_PRINTED_ASCII = re.compile(rb"[ -~]")


def _around_beyond_ascii(head: bytes) -> Iterator[bytes]:
    end = length = 0
    for found in re.finditer(rb"[\x80-\xff]+", head):
        if found.start() < end:
            continue
        begin, end = max(end, found.start() - CONTEXT), found.end() + CONTEXT
        yield head[begin:end]
        length += end - begin
        if length > MOST_JUDGED:
            return


def as_utf_8(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The text without its byte order mark, in UTF-8."""
    chunks = _without_mark(iter(chunks), encoding)
    if encoding == UTF_8:
        return chunks
    return _recoded(chunks, encoding)


def _without_mark(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    mark = next((mark for mark, name in _MARKS if name == encoding), b"")
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(mark):
            break
    if head:
        yield head.removeprefix(mark)
    yield from chunks


def _recoded(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("foretune-broken")
    for chunk in chunks:
        yield decoder.decode(chunk).encode(UTF_8, "surrogatepass")
    if rest := decoder.decode(b"", final=True):
        yield rest.encode(UTF_8, "surrogatepass")


def _broken(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error("foretune-broken", _broken)
