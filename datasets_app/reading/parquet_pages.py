"""How much memory a part of a Parquet file takes to read: told by the headers of its pages, before any is unpacked.

The lengths that the footer gives are those of whole columns, and a writer may put a column into one page. A page is
unpacked at once, so its header decides. It is written in Thrift's compact protocol (`PageHeader` in parquet.thrift).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

import pyarrow as pa

from .problems import Unreadable

LARGEST_PAGE = 48 * 2**20
"""Writers make pages of about 1 MB; some put up to 100 MB into one."""
BATCH_BYTES = 12 * 2**20
MOST_ROWS = 256
"""Rows that are unpacked together."""
HEADER_BYTES = 4096
LARGEST_HEADER = 2**20
_STRUCT, _LISTS, _MAP, _BINARY, _DOUBLE, _BYTE, _TRUE, _FALSE = 12, (9, 10), 11, 8, 7, 3, 1, 2
_DATA, _DICTIONARY, _DATA_2 = _COUNTED = (5, 7, 8)
"""The fields of a page header that are headers of its kind, each of which begins with the number of values."""
_ENCODING = {_DATA: 2, _DATA_2: 4}
_REFERRING = (2, 8)
"""PLAIN_DICTIONARY and RLE_DICTIONARY."""


class Page(NamedTuple):
    """What a page takes when it is unpacked, how many values it holds, and whether these are a column's dictionary."""

    size: int
    values: int
    is_dictionary: bool
    refers: bool
    """Its values are numbers of entries in the dictionary."""
    place: int
    packed: int


class Plan(NamedTuple):
    """How a row group is to be read: so many rows at once, and these columns as references to a dictionary."""

    rows: int
    repeated: list[str]


def plan_of(file: IO[bytes], group: Any) -> Plan:
    """Raises Unreadable for a page that is too large to be unpacked, ValueError where pages cannot be found."""
    row_bytes = 1.0
    repeated = []
    for number in range(group.num_columns):
        column = group.column(number)
        pages = list(pages_of(file, column))
        is_repeated = column.physical_type == "BYTE_ARRAY" and all(page.is_dictionary or page.refers for page in pages)
        if is_repeated:
            repeated.append(column.path_in_schema)
        longest = 0 if is_repeated else _longest_entry(file, column, pages)
        densest = max((page.size / max(page.values, 1) for page in pages if not page.is_dictionary), default=0)
        row_bytes += max(densest, longest) * column.num_values / max(group.num_rows, 1)
    return Plan(max(1, min(MOST_ROWS, int(BATCH_BYTES / row_bytes))), repeated)


def _longest_entry(file: IO[bytes], column: Any, pages: Sequence[Page]) -> int:
    """The longest text in the dictionary of a column, which any number of its values may repeat."""
    dictionary = next((page for page in pages if page.is_dictionary), None)
    if dictionary is None or column.physical_type != "BYTE_ARRAY":
        return 0
    file.seek(dictionary.place)
    data = _unpacked(file.read(dictionary.packed), column.compression, dictionary.size)
    longest = at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        longest = max(longest, length)
        at += 4 + length
    return longest


def _unpacked(data: bytes, compression: str, size: int) -> bytes:
    if compression == "UNCOMPRESSED":
        return data
    codec = {"LZ4": "lz4_raw"}.get(compression, compression.lower())
    unpacked: bytes = pa.Codec(codec).decompress(data, decompressed_size=size, asbytes=True)
    return unpacked


def pages_of(file: IO[bytes], column: Any) -> Iterator[Page]:
    """The pages of one column in one row group. Raises ValueError where there is no header to be read."""
    starts = [column.data_page_offset, column.dictionary_page_offset]
    place = min(start for start in starts if start)
    end = place + column.total_compressed_size
    while place < end:
        length, fields = _header(file, place)
        size, packed = int(fields[2]), int(fields[3])
        if size < 0 or packed < 0:
            raise ValueError("a page of negative size")
        if size > LARGEST_PAGE:
            raise _too_large(column.path_in_schema, size)
        kind = next((kind for kind in _COUNTED if kind in fields), 0)
        told = fields.get(kind, {})
        if not isinstance(told, dict):
            raise ValueError("a page header that makes no sense")
        refers = told.get(_ENCODING.get(kind, 0)) in _REFERRING
        yield Page(size, int(told.get(1, 0)), kind == _DICTIONARY, refers, place + length, packed)
        place += length + packed


def _too_large(column: str, size: int) -> Unreadable:
    return Unreadable(
        "page-too-large",
        f"The Parquet column “{column[:60]}” holds {size / 2**20:,.0f} MB in one page, and a page can only be unpacked "
        f"whole. Write the file again with pages of at most {LARGEST_PAGE // 2**20} MB, such as pyarrow's 1 MB.",
    )


def _header(file: IO[bytes], place: int) -> tuple[int, dict[int, Any]]:
    """The length of the page header at a place, and its fields."""
    for size in (HEADER_BYTES, LARGEST_HEADER):
        file.seek(place)
        parser = _Compact(file.read(size))
        try:
            fields = parser.struct()
        except (IndexError, RecursionError):
            continue
        if 2 in fields and 3 in fields:
            return parser.at, fields
    raise ValueError("no page header")


class _Compact:
    """Reads Thrift's compact protocol. Runs into IndexError where the bytes end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def struct(self) -> dict[int, Any]:
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else self._integer()
            fields[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind)
        return fields

    def _value(self, kind: int) -> Any:
        if kind == _STRUCT:
            return self.struct()
        if kind == _BINARY:
            return self._skip(self._varint())
        if kind == _DOUBLE:
            return self._skip(8)
        if kind in (_BYTE, _TRUE, _FALSE):
            return self._byte()
        if kind in _LISTS:
            head = self._byte()
            size = self._varint() if head >> 4 == 15 else head >> 4
            return [self._value(head & 15) for _ in range(min(size, len(self._data)))]
        if kind == _MAP:
            raise ValueError("a page header holds no maps")
        return self._integer()

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self._data):
            raise IndexError

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def _integer(self) -> int:
        zigzag = self._varint()
        return (zigzag >> 1) ^ -(zigzag & 1)
