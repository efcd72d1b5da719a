"""Columns of Arrow as Python values that JSON knows, and how large they will be, before they are made."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SMALL = 24
"""Characters that a number or a date takes at most, nearly always."""
_is = pa.types


def sizes_of(array: Any) -> Any:
    """Roughly how many bytes of JSON each value takes, as an array of integers."""
    kind = array.type
    if _is.is_dictionary(kind):
        lengths = pc.binary_length(array.dictionary) if _is_bytes(kind.value_type) else None
        return np.full(len(array), SMALL) if lengths is None else _numbers(lengths.take(array.indices)) + 4
    if _is_bytes(kind):
        return _numbers(pc.binary_length(array)) + 4
    if _is_list(kind):
        offsets = _offsets(array)
        ends = np.concatenate([[0], np.cumsum(sizes_of(_items(array)))])
        return ends[offsets[1:]] - ends[offsets[:-1]] + 2 * np.diff(offsets) + 2
    if _is.is_struct(kind):
        sizes = [sizes_of(child) + len(kind.field(number).name) + 6 for number, child in enumerate(_children(array))]
        return sum(sizes) if sizes else np.full(len(array), 2)
    if isinstance(kind, pa.BaseExtensionType):
        return sizes_of(array.storage)
    return np.full(len(array), SMALL)


def values_of(array: Any) -> list[Any]:
    """The values of an array. Dates, times and decimals become text, bytes that are no text become null."""
    kind = array.type
    if _is.is_dictionary(kind):
        return values_of(array.dictionary_decode())
    if _is_list(kind):
        return _lists(array)
    if _is.is_struct(kind):
        names = [kind.field(number).name for number in range(kind.num_fields)]
        rows = [dict(zip(names, cells, strict=True)) for cells in zip(*map(values_of, _children(array)), strict=True)]
        return _with_nulls(array, rows or [{} for _ in range(len(array))])
    if isinstance(kind, pa.BaseExtensionType):
        return values_of(array.storage)
    return _plain(array)


def _plain(array: Any) -> list[Any]:
    kind = array.type
    values: list[Any]
    if _is.is_timestamp(kind) and kind.tz:
        values = array.cast(pa.timestamp(kind.unit)).cast(pa.string()).to_pylist()
        return [None if value is None else f"{value}Z" for value in values]
    if _is.is_duration(kind):
        values = array.cast(pa.int64()).to_pylist()
    elif _is.is_temporal(kind) or _is.is_decimal(kind):
        values = array.cast(pa.string()).to_pylist()
    elif _is.is_binary(kind) or _is.is_large_binary(kind) or _is.is_fixed_size_binary(kind):
        values = [_text(value) for value in array.to_pylist()]
    elif _is_bytes(kind):
        values = _texts(array)
    else:
        values = array.to_pylist()
    return values


def _texts(array: Any) -> list[Any]:
    """Texts, of which a broken one is null instead of an error for all."""
    try:
        values: list[Any] = array.to_pylist()
    except UnicodeDecodeError:
        values = [_text(value) for value in array.cast(pa.large_binary()).to_pylist()]
    return values


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _is_bytes(kind: Any) -> bool:
    return bool(_is.is_string(kind) or _is.is_large_string(kind) or _is.is_binary(kind) or _is.is_large_binary(kind))


def _is_list(kind: Any) -> bool:
    return bool(_is.is_list(kind) or _is.is_large_list(kind) or _is.is_map(kind) or _is.is_fixed_size_list(kind))


def _offsets(array: Any) -> Any:
    """Where the items of each list begin and end, counted from the first item of this array."""
    if _is.is_fixed_size_list(array.type):
        return np.arange(len(array) + 1) * array.type.list_size
    offsets = array.offsets.to_numpy()
    return offsets - offsets[0]


def _items(array: Any) -> Any:
    """The items of all lists, one behind the other. What null lists cover in memory is kept."""
    if _is.is_fixed_size_list(array.type):
        size = array.type.list_size
        return array.values.slice(array.offset * size, len(array) * size)
    offsets = array.offsets
    first, last = offsets[0].as_py(), offsets[len(array)].as_py()
    items = pa.StructArray.from_arrays([array.keys, array.items], ["key", "value"]) if _is.is_map(array.type) else None
    return (array.values if items is None else items).slice(first, last - first)


def _children(array: Any) -> list[Any]:
    return [array.field(number) for number in range(array.type.num_fields)]


def _lists(array: Any) -> list[Any]:
    items, ends = values_of(_items(array)), _offsets(array).tolist()
    lists: list[Any] = [items[begin:end] for begin, end in pairwise(ends)]
    if _is.is_map(array.type):
        lists = [_as_object(pairs) for pairs in lists]
    return _with_nulls(array, lists)


def _as_object(pairs: list[dict[str, Any]]) -> Any:
    """A map as an object, if its keys are texts and each is there once."""
    made = {pair["key"]: pair["value"] for pair in pairs}
    return made if len(made) == len(pairs) and all(isinstance(key, str) for key in made) else pairs


def _with_nulls(array: Any, values: list[Any]) -> list[Any]:
    if not array.null_count:
        return values
    return [value if valid else None for value, valid in zip(values, array.is_valid().to_pylist(), strict=True)]


def _numbers(lengths: Any) -> Any:
    return pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False).astype(np.int64)
