"""Malformed and unusual files as code, each with what must come of it: refused with a code, or so many rows read.

They are swept through the reader, the API and the pages by test_zoo.py.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd

TEXT = b'{"text": "Ahoy"}\n'
ROWS = b"".join(b'{"text": "row %d"}\n' % number for number in range(1, 401))
CSV = b"prompt,completion\n" + b"".join(b"Question %d,Answer %d\n" % (n, n) for n in range(1, 21))
MB = 2**20


@dataclass(frozen=True)
class Specimen:
    """`refused` is the code of an upload that is not taken; else so many `rows` are read, of which `bad` are bad."""

    name: str
    content: bytes
    rows: int = 0
    bad: tuple[tuple[int, str], ...] = ()
    """The line and the code of each bad row."""
    refused: str = ""
    late: bool = False
    """Refused only while its rows are read."""
    kind: str = "jsonl"
    encoding: str = "utf-8"
    compression: str = ""


def parquet(table: Any, **how: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **how)
    return sink.getvalue()


def texts(count: int) -> Any:
    return pa.table({"text": [f"row {number} " + "and so on " * 20 for number in range(count)]})


def torn(content: bytes) -> bytes:
    """A Parquet file of several row groups with zeros in the middle of its data."""
    middle = len(content) // 2
    return content[:middle] + bytes(200) + content[middle + 200 :]


def zoo() -> Iterator[Specimen]:
    yield from nothing_in_it()
    yield from not_data()
    yield from json_lines()
    yield from json_lists()
    yield from encodings()
    yield from packed()
    yield from tables()
    yield from parquets()


def nothing_in_it() -> Iterator[Specimen]:
    yield Specimen("nothing", b"", refused="empty")
    yield Specimen("blank lines", b" \n\r\n\t\n" * 1000, refused="empty")
    yield Specimen("a megabyte of blanks", b" " * MB, refused="empty")
    yield Specimen("a byte order mark", b"\xef\xbb\xbf", refused="empty")
    yield Specimen("a UTF-16 mark", b"\xff\xfe", refused="empty")
    yield Specimen("packed nothing", gzip.compress(b""), refused="empty", compression="gzip")
    yield Specimen("packed blanks", zstd.compress(b"\n" * 50_000), refused="empty", compression="zstd")
    yield Specimen("names only", b"prompt,completion\n", refused="no-rows", kind="csv")
    yield Specimen("names without an end", b"prompt;completion", refused="no-rows", kind="csv")
    yield Specimen("a Parquet file without rows", parquet(texts(0)), refused="no-rows", kind="parquet")
    yield Specimen("a Parquet file without columns", parquet(pa.table({})), refused="no-columns", kind="parquet")


def not_data() -> Iterator[Specimen]:
    for name, begins in (
        ("zip", b"PK\x03\x04\x14\x00"), ("xlsx", b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml"),
        ("pdf", b"%PDF-1.7\n%\xe2\xe3"), ("xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), ("rar", b"Rar!\x1a\x07\x00"),
        ("7z", b"7z\xbc\xaf\x27\x1c\x00"), ("bzip2", b"BZh91AY&SY"), ("xz", b"\xfd7zXZ\x00\x00"),
        ("arrow", b"ARROW1\x00\x00"), ("sqlite", b"SQLite format 3\x00"), ("numpy", b"\x93NUMPY\x01"),
        ("png", b"\x89PNG\r\n\x1a\n"), ("jpeg", b"\xff\xd8\xff\xe0"), ("pickle", b"\x80\x04\x95\x10"),
        ("zeros", bytes(4096)), ("control characters", bytes(range(1, 32)) * 100),
        ("xml", b"<?xml version='1.0'?><rows/>"),
    ):  # fmt: skip
        yield Specimen(name, begins, refused="binary")
    yield Specimen("a log-in page", b"<!DOCTYPE html>\n<html><body>Log in</body></html>", refused="web-page")
    yield Specimen("a Git LFS address", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", refused="git-lfs")
    archive = bytes(257) + b"ustar\x0000" + bytes(500)
    yield Specimen("tar in gzip", gzip.compress(archive), refused="binary", compression="gzip")


def json_lines() -> Iterator[Specimen]:
    yield Specimen("a plain file", ROWS, 400)
    yield Specimen("Windows line ends", ROWS.replace(b"\n", b"\r\n"), 400)
    yield Specimen("old Mac line ends", ROWS.replace(b"\n", b"\r") + b"{\r", 401, ((401, "broken-json"),))
    yield Specimen("no end of the last line", ROWS[:-1], 400)
    yield Specimen("blank lines between", TEXT + b"\n \n" + TEXT + b"{\n", 3, ((5, "broken-json"),))
    yield Specimen("cut in the last row", ROWS[:-5], 400, ((400, "broken-json"),))
    yield Specimen(
        "plain words", b"Once upon a time\nthere was a model.\n", 2, ((1, "broken-json"), (2, "broken-json"))
    )
    yield Specimen("a row of 9 MB", TEXT + b'{"text": "' + b"a" * 9 * MB + b'"}\n' + TEXT, 3, ((2, "too-long"),))
    yield Specimen("only a row of 9 MB without an end", b'{"text": "' + b"a" * 9 * MB, 1, ((1, "too-long"),))
    columns = b",".join(b'"c%d": %d' % (n, n) for n in range(100_000))
    yield Specimen("100,000 columns", b'{"text": "Ahoy", ' + columns + b"}\n", 1)
    deep = b'{"text": "Ahoy", "tree": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    yield Specimen("nested 100,000 deep", TEXT + deep + TEXT, 3, ((2, "too-deep"),))
    yield Specimen("NaN beside the text", TEXT + b'{"text": "Ahoy", "score": NaN}\n', 2)
    yield Specimen("Infinity as the text", TEXT + b'{"text": -Infinity}\n', 2, ((2, "not-a-number"),))
    yield Specimen("half a character", TEXT + b'{"text": "\\ud83d"}\n', 2, ((2, "lone-surrogate"),))
    yield Specimen("NUL in a row", TEXT + b'{"text": "A\x00"}\n', 2, ((2, "broken-json"),))
    yield Specimen("NUL as an escape", TEXT + b'{"text": "A\\u0000"}\n', 2)
    yield Specimen("rows of NUL", TEXT * 20 + b"\x00\x00\n" + TEXT, 22, ((21, "broken-json"),))
    yield Specimen("a name twice", b'{"text": "old", "text": "new"}\n', 1)
    yield Specimen("a number with 400 digits", b'{"text": "Ahoy", "n": 1' + b"0" * 400 + b"}\n", 1)
    yield Specimen("Python instead of JSON", TEXT + b"{'text': 'Ahoy'}\n", 2, ((2, "broken-json"),))
    yield Specimen("two objects a line", TEXT + b'{"text": "a"}{"text": "b"}\n', 2, ((2, "broken-json"),))
    yield Specimen(
        "broken UTF-8 in the middle", ROWS + b'{"text": "\xc3\xa9\xc3"}\n' + ROWS, 801, ((401, "not-utf-8"),)
    )
    yield Specimen("numbers and lists", TEXT * 20 + b"5\n[1]\n", 22, ((21, "not-an-object"), (22, "not-an-object")))


def json_lists() -> Iterator[Specimen]:
    rows = b",\n".join([TEXT.strip()] * 3)
    yield Specimen("a list", b"[" + rows + b"]", 3, kind="json")
    yield Specimen("a list with a comma behind", b"[" + rows + b",]\n\n", 3, kind="json")
    yield Specimen("a list that is not closed", b"[" + rows, 3, ((3, "cut-off"),), kind="json")
    yield Specimen("a list and a row behind", b"[" + rows + b"]\n" + TEXT, 4, kind="json")
    yield Specimen("a broken element", b"[" + rows + b',\n{"text" "x"}]', 4, ((4, "broken-json"),), kind="json")
    endless = b'[{"text": "a"},\n{"text": "' + b"a" * 5 * MB
    yield Specimen("a text without an end", endless, 2, ((2, "cut-off"),), kind="json")
    yield Specimen("only opening brackets", b"[" * 100_000, 1, ((1, "cut-off"),), kind="json")
    yield Specimen("an object of lists", b'{"text": ["a", "b"], "id": [1, 2]}', 2, kind="json")
    yield Specimen("a longer column", b'{"id": [1, 2, 3], "text": ["a", "b"]}', 3, ((1, "missing-field"),), kind="json")


def encodings() -> Iterator[Specimen]:
    row = '{"text": "Grüße aus Köln, schöne façade"}\n' * 20
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        yield Specimen(f"{encoding} with a mark", ("\ufeff" + row).encode(encoding), 20, encoding=encoding)
        yield Specimen(f"{encoding} without a mark", row.encode(encoding), 20, encoding=encoding)
    yield Specimen("UTF-8 with a mark", row.encode("utf-8-sig"), 20)
    yield Specimen("Windows-1252", row.encode("cp1252"), 20, encoding="cp1252")
    russian = '{"text": "Модель отвечает на вопросы и объясняет почему"}\n' * 20
    yield Specimen("Windows-1251", russian.encode("cp1251"), 20, encoding="cp1251")
    half = row.encode("utf-16-le")[:-1]
    yield Specimen("UTF-16 cut in a character", half, 20, ((20, "broken-json"),), encoding="utf-16-le")
    lone = '{"text": "a"}\n'.encode("utf-16-le").replace(b"a\0", b"\x3d\xd8")
    ten = TEXT.decode().encode("utf-16-le") * 10
    yield Specimen("UTF-16 with half a character", ten + lone, 11, ((11, "not-utf-8"),), encoding="utf-16-le")


def packed() -> Iterator[Specimen]:
    squeezed = gzip.compress(ROWS)
    yield Specimen("gzip", squeezed, 400, compression="gzip")
    yield Specimen("zstd", zstd.compress(ROWS), 400, compression="zstd")
    yield Specimen("gzip in two members", squeezed + squeezed + bytes(64), 800, compression="gzip")
    yield Specimen("zstd in two frames", zstd.compress(ROWS) * 2, 800, compression="zstd")
    wide = gzip.compress(ROWS.decode().encode("utf-16"))
    yield Specimen("UTF-16 in gzip", wide, 400, compression="gzip", encoding="utf-16-le")
    yield Specimen("a list in zstd", zstd.compress(b"[" + TEXT.strip() + b"]"), 1, compression="zstd", kind="json")
    whole = b"".join(b'{"text": "%s"}\n' % str(zlib.crc32(b"%d" % n)).encode() for n in range(40_000))
    cut = gzip.compress(whole)[:-50_000]
    rows = len(zlib.decompressobj(31).decompress(cut).splitlines())
    yield Specimen("cut gzip", cut, rows, ((rows, "cut-off"),), compression="gzip")
    flipped = bytearray(squeezed)
    flipped[-6] ^= 255
    yield Specimen("gzip with a wrong sum", bytes(flipped), refused="damaged", compression="gzip")
    yield Specimen("cut zstd", zstd.compress(ROWS)[:-3], refused="damaged", compression="zstd")
    yield Specimen("rubbish behind gzip", squeezed + b"rubbish", 401, ((401, "cut-off"),), compression="gzip")
    yield Specimen("gzip without sense", b"\x1f\x8b\x08" + b"x" * 50, refused="damaged", compression="gzip")
    yield Specimen("zstd without sense", b"\x28\xb5\x2f\xfd" + b"\xff" * 50, refused="damaged", compression="zstd")
    yield Specimen("gzip in gzip", gzip.compress(squeezed), refused="binary", compression="gzip")
    yield Specimen("Parquet in gzip", gzip.compress(parquet(texts(5))), refused="binary", compression="gzip")
    blanks = gzip.compress(b"\n" * 12_000_000)
    yield Specimen("a bomb of blanks", blanks, refused="unpacks-too-large", compression="gzip")
    bomb = zstd.compress(TEXT * 800_000)
    yield Specimen("a bomb of rows", bomb, refused="unpacks-too-large", compression="zstd", late=True)
    narrow = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    large = narrow.compress(ROWS) + narrow.flush()
    yield Specimen("zstd that needs much memory", large, refused="window-too-large", compression="zstd")


def tables() -> Iterator[Specimen]:
    yield Specimen("CSV", CSV, 20, kind="csv")
    yield Specimen("TSV", CSV.replace(b",", b"\t"), 20, kind="tsv")
    yield Specimen("semicolons", CSV.replace(b",", b";"), 20, kind="csv")
    yield Specimen("vertical bars", CSV.replace(b",", b"|"), 20, kind="csv")
    yield Specimen("CSV from Windows", b"\xef\xbb\xbf" + CSV.replace(b"\n", b"\r\n"), 20, kind="csv")
    yield Specimen("CSV from an old Mac", CSV.replace(b"\n", b"\r"), 20, kind="csv")
    accented = CSV.decode().replace("Question", "Größere Frage").encode("cp1252")
    yield Specimen("CSV in Windows-1252", accented, 20, kind="csv", encoding="cp1252")
    yield Specimen("CSV in gzip", gzip.compress(CSV), 20, kind="csv", compression="gzip")
    quoted = CSV + b'"Two\nlines, and ""quotes""",Fine\nQuestion,Answer,more\n'
    yield Specimen("line ends in quotes", quoted, 22, ((24, "ragged"),), kind="csv")
    yield Specimen("too few cells", CSV + b"alone\n", 21, ((22, "ragged"),), kind="csv")
    yield Specimen("a blank line in a table", CSV + b"\n\nalone\n", 21, ((24, "ragged"),), kind="csv")
    open_quote = CSV + b'"never closed,Answer\n' + b"Question,Answer\n" * 3
    yield Specimen("a quote without an end", open_quote, 24, ((22, "open-quote"),), kind="csv")
    far = CSV + b'"never closed,Answer\n' + b"Question,%s\n" % (b"Answer " * 50) * 14_000
    yield Specimen("a quote without an end for long", far, 14_021, ((22, "open-quote"),), kind="csv")
    yield Specimen("text behind a quote", CSV + b'"Hi" there,Answer\na,b\n', 22, ((22, "open-quote"),), kind="csv")
    yield Specimen("a cell of 9 MB", CSV + b"a," + b"b" * 9 * MB + b"\na,b\n", 22, ((22, "too-long"),), kind="csv")
    yield Specimen("broken UTF-8 in a table", CSV + b"\xc3\xa9\xc3\xa9\xff,b\n", 21, ((22, "not-utf-8"),), kind="csv")
    yield Specimen("NUL in a table", CSV + b"a\x00b,c\n", refused="binary", kind="csv")
    yield Specimen("an empty completion", CSV + b"Question,\n", 21, ((22, "empty-answer"),), kind="csv")
    yield Specimen("the same name twice", CSV.replace(b"prompt", b"completion"), refused="same-columns", kind="csv")
    numbers = b"".join(b"%d,%d\n" % (n, n) for n in range(20))
    yield Specimen("a table without names", numbers, refused="no-header", kind="csv")
    yield Specimen("one column", b"text\nOnce, upon a time\nthere was\n", 2, kind="csv")
    turns = json.dumps([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy, you"}])
    cell = '"' + turns.replace('"', '""') + '"'
    yield Specimen("chats in cells", f"id,messages\n1,{cell}\n2,{cell}\n".encode(), 2, kind="csv")
    wide = ",".join(["text"] + [f"c{n}" for n in range(20_000)])
    yield Specimen("20,000 columns in a table", f"{wide}\n{',' * 20_000}\nAhoy{',' * 20_000}\n".encode(), 2,
                   ((2, "empty-text"),), kind="csv")  # fmt: skip


def parquets() -> Iterator[Specimen]:
    plain = parquet(texts(1000), row_group_size=100)
    yield Specimen("Parquet", plain, 1000, kind="parquet", encoding="")
    turns = [[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]] * 10
    yield Specimen("chats in Parquet", parquet(pa.table({"messages": turns})), 10, kind="parquet", encoding="")
    nulls = parquet(pa.table({"text": ["a", None, "c"]}))
    yield Specimen("null in Parquet", nulls, 3, ((2, "null-content"),), kind="parquet", encoding="")
    broken = parquet(pa.table({"text": pa.array([b"fine", b"\xff\xfe"])}))
    yield Specimen("bytes in Parquet", broken, 2, ((2, "null-content"),), kind="parquet", encoding="")
    long = parquet(pa.table({"text": ["a", "b" * 9 * MB, "c"]}), use_dictionary=False)
    yield Specimen("9 MB in a row of Parquet", long, 3, ((2, "too-long"),), kind="parquet", encoding="")
    repeated = parquet(pa.table({"text": ["b" * 3 * MB] * 40}))
    yield Specimen("one text of 3 MB 40 times", repeated, 40, kind="parquet", encoding="")
    yield Specimen("cut Parquet", plain[: len(plain) // 2], refused="damaged", kind="parquet")
    yield Specimen("only the mark of Parquet", b"PAR1", refused="damaged", kind="parquet")
    yield Specimen("Parquet with rubbish as its contents", b"PAR1" + b"x" * 99 + b"\x20\x00\x00\x00PAR1",
                   refused="damaged", kind="parquet")  # fmt: skip
    yield Specimen("Parquet with an endless footer", b"PAR1" + b"x" * 99 + b"\xff\xff\xff\x7fPAR1",
                   refused="footer-too-large", kind="parquet")  # fmt: skip
    page = parquet(pa.table({"text": ["a" * 60 * MB]}), use_dictionary=False)
    yield Specimen("a page of 60 MB", page, refused="page-too-large", kind="parquet")
