"""The good rows of a dataset as a file that other programs read, such as `datasets.load_dataset`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import PurePath
from typing import Any

import msgspec
import pyarrow
from pyarrow import parquet

from finetune_site.problems import problem

from .models import Dataset

Row = dict[str, Any]
GROUP = 2000
"""So many rows are held at a time."""
WAYS = {"jsonl": "JSON lines", "parquet": "Parquet"}


def export(dataset: Dataset, way: str) -> tuple[str, Iterator[bytes]]:
    """A name for the file and its bytes, made while they are asked for. Raises Problem for what cannot be exported."""
    if way not in WAYS:
        message = f"Rows are exported as {' or '.join(WAYS)}, not as “{way[:40]}”."
        raise problem("as", "export.unknown-way", message)
    if dataset.status != Dataset.Status.READY or not dataset.usable_rows:
        message = f"“{dataset.name}” has no good rows to export (yet). Its page says why."
        raise problem("dataset", "export.no-rows", message, 409)
    name = f"{PurePath(dataset.file_name).stem or dataset.pk}.{way}"
    return name, _parquet(dataset) if way == "parquet" else _json_lines(dataset.good_rows())


def _json_lines(rows: Iterator[Row]) -> Iterator[bytes]:
    return (b"".join(msgspec.json.encode(row) + b"\n" for row in group) for group in _groups(rows))


def _groups(rows: Iterator[Row]) -> Iterator[list[Row]]:
    return iter(lambda: list(islice(rows, GROUP)), [])


def _parquet(dataset: Dataset) -> Iterator[bytes]:
    """One group of rows after the other, in columns that all rows share."""
    schema = _schema(dataset.good_rows())
    growing = _Growing()
    with parquet.ParquetWriter(pyarrow.PythonFile(growing, "w"), schema) as writer:
        for rows in _groups(dataset.good_rows()):
            writer.write_table(pyarrow.Table.from_pylist([_flat(row) for row in rows], schema))
            yield growing.taken()
    yield growing.taken()


_KINDS = {bool: pyarrow.bool_(), int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string()}
_AS_JSON = ("tools", "tool_calls")
"""They look different from row to row, which no column can; trainers read them as JSON too."""


def _schema(rows: Iterator[Row]) -> pyarrow.Schema:
    """The columns of all rows and the keys of all turns. Asks every row: a key may come up in the last."""
    columns: dict[str, Any] = {}
    keys: dict[str, Any] = {}
    for row in rows:
        for column, value in row.items():
            if isinstance(value, list) and column not in _AS_JSON:
                columns[column] = None
                keys |= {key: each for turn in value for key, each in turn.items() if key not in keys}
            elif column not in columns:
                columns[column] = _kind(column, value)
    turn = pyarrow.struct([(key, _kind(key, value)) for key, value in keys.items()])
    return pyarrow.schema([(column, kind or pyarrow.list_(turn)) for column, kind in columns.items()])


def _kind(name: str, value: Any) -> Any:
    return pyarrow.string() if name in _AS_JSON else _KINDS[type(value)]


def _flat(row: Row) -> Row:
    return {column: _flat_value(column, value) for column, value in row.items()}


def _flat_value(name: str, value: Any) -> Any:
    if name in _AS_JSON:
        return msgspec.json.encode(value).decode()
    if isinstance(value, list):
        return [_flat(turn) for turn in value]
    return value


class _Growing:
    """A file that hands out what was written to it since the last time."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """What was written can still be taken."""

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)
