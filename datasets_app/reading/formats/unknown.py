"""Rows of no format that can be trained yet. They are kept, counted and shown as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..tally import Tally
from .base import RowFormat

Fields = dict[str, Any]


class Unknown(RowFormat[Fields]):
    name = layout = "unknown"
    columns = ()
    _decode = msgspec.json.Decoder(Fields).decode

    @classmethod
    def is_conversational(cls, fields: Mapping[str, bytes]) -> bool:
        return False

    def read(self, raw: bytes) -> Fields:
        return self._decode(raw)

    def measure(self, row: Fields, size: int, tally: Tally) -> None:
        texts = [value for value in row.values() if isinstance(value, str)]
        tally.add(sum(map(len, texts)), 0, size, lambda: "".join(texts))

    def plain(self, row: Fields) -> dict[str, Any]:
        return row
