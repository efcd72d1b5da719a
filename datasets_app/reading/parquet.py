"""The rows of a Parquet file, a few at a time, as JSON objects. Their line is the number of the row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from .arrow_values import sizes_of, values_of
from .parquet_pages import plan_of
from .problems import Unread, Unreadable
from .rows import MAX_ROW_BYTES, TOO_LONG, Progress, Row

LARGEST_FOOTER = 32 * 2**20
BUFFER = 256 * 1024
SLICE_BYTES = 2**20
MOST_RATIO = 1000
"""A text that all rows share is kept once and costs next to nothing, so Parquet may unpack to more than gzip may."""
JUDGED_FROM = 1_000_000_000
NAMED = 5
pa.set_memory_pool(pa.system_memory_pool())  # the others keep what was freed: measured, 12 to 17 MB more
_encode = msgspec.json.encode
_DAMAGED = (pa.ArrowException, OSError, ValueError, IndexError, KeyError, TypeError, NotImplementedError, OverflowError)
"""Whatever reading broken bytes may raise; a page that is too large is Unreadable, which is told first."""


def parquet_notes(path: Path) -> tuple[str, ...]:
    """What somebody should know of how the columns are read. Raises Unreadable for what is no Parquet file."""
    schema = _metadata(path).schema.to_arrow_schema()
    if not schema.names:
        raise Unreadable("no-columns", "The Parquet file has no columns. Export it again with its rows.")
    return tuple(_notes(schema))


def _notes(schema: Any) -> Iterator[str]:
    for holds, said in (
        (pa.types.is_temporal, "hold dates or times, which are read as text such as 2026-11-26 09:30:00."),
        (pa.types.is_decimal, "hold decimal numbers, which are read as text so that no digit is lost."),
        (_is_binary, "hold bytes: those that are UTF-8 are read as text, all others as null."),
    ):
        names = [field.name for field in schema if any(map(holds, _types_in(field.type)))]
        if names:
            shown = ", ".join(f"“{name[:40]}”" for name in names[:NAMED]) + (" …" if len(names) > NAMED else "")
            yield f"The columns {shown} {said}" if len(names) > 1 else f"The column {shown} {_one(said)}"


def _one(said: str) -> str:
    return said.replace("hold", "holds", 1)


def _is_binary(kind: Any) -> bool:
    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    ) and not pa.types.is_decimal(kind)


def _types_in(kind: Any) -> Iterator[Any]:
    yield kind
    for number in range(kind.num_fields):
        yield from _types_in(kind.field(number).type)


def _metadata(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - 8))
            end = file.read(8)
            if size < 12 or end[4:] != b"PAR1":
                raise ValueError("it ends without a footer")
            if int.from_bytes(end[:4], "little") > LARGEST_FOOTER:
                raise Unreadable("footer-too-large", _FOOTER)
        return pq.read_metadata(path)
    except Unreadable:
        raise
    except _DAMAGED as error:
        raise Unreadable(
            "damaged",
            "The Parquet file is damaged or was cut off: its table of contents, which stands at the end, cannot be "
            "read. Upload or export it again.",
        ) from error


_FOOTER = (
    f"The table of contents of this Parquet file has more than {LARGEST_FOOTER // 2**20} MB: it has far too many "
    "columns or row groups. Write it again with the columns that are trained and larger row groups."
)


def parquet_rows(path: Path, on_progress: Progress | None = None) -> Iterator[Row]:
    """Every row. A row group that is damaged is one bad row, and the next goes on with its own numbers."""
    metadata = _metadata(path)
    size = path.stat().st_size
    number, written = 1, 0
    with path.open("rb") as headers:
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            for line, raw in _group_rows(headers, metadata, group, number):
                written += len(raw)
                if written > JUDGED_FROM and written > MOST_RATIO * size:
                    raise _bomb(written, size)
                yield line, raw
            number += rows
            if on_progress:
                on_progress(size * (group + 1) // metadata.num_row_groups)


def _bomb(written: int, size: int) -> Unreadable:
    return Unreadable(
        "unpacks-too-large",
        f"The Parquet file unpacks to over {written // 10**6:,} MB, {written // size:,} times its own size. At most "
        f"{MOST_RATIO:,} times are read. Split it into several files.",
    )


def _group_rows(file: IO[bytes], metadata: Any, group: int, number: int) -> Iterator[Row]:
    """The rows of one row group. Texts that a column repeats stay written once in memory too."""
    done = 0
    try:
        plan = plan_of(file, metadata.row_group(group))
        with pq.ParquetFile(
            file.name, metadata=metadata, read_dictionary=plan.repeated, buffer_size=BUFFER, pre_buffer=False
        ) as opened:
            for batch in opened.iter_batches(batch_size=plan.rows, row_groups=[group], use_threads=False):
                for raw in _raw_rows(batch):
                    yield number + done, raw
                    done += 1
    except Unreadable:
        raise
    except _DAMAGED:
        rows = metadata.row_group(group).num_rows
        yield number + done, _lost(number + done, number + rows - 1)


def _lost(first: int, last: int) -> Unread:
    rows = f"rows {first:,} to {last:,}" if last > first else f"row {first:,}"
    return Unread.because(
        "cut-off", f"This part of the Parquet file is damaged: {rows} cannot be read. Export it again."
    )


def _raw_rows(batch: Any) -> Iterator[bytes]:
    """The rows of a batch in slices, so that what stands once in the file is not written a thousand times at once."""
    sizes = sum(sizes_of(column) for column in batch.columns)
    first = 0
    names = batch.schema.names
    while first < batch.num_rows:
        if sizes[first] > MAX_ROW_BYTES:
            yield TOO_LONG
            first += 1
            continue
        last, held = first + 1, int(sizes[first])
        while last < batch.num_rows and held + sizes[last] <= SLICE_BYTES:
            held += int(sizes[last])
            last += 1
        columns = [values_of(column.slice(first, last - first)) for column in batch.columns]
        for cells in zip(*columns, strict=True):
            yield _json(dict(zip(names, cells, strict=True)))
        first = last


def _json(row: dict[str, Any]) -> bytes:
    raw = _encode(row)
    return TOO_LONG if len(raw) > MAX_ROW_BYTES else raw
