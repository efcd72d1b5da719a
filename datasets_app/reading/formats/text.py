"""Plain text: `text`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..problems import BadRow
from ..tally import Tally
from .base import RowFormat


class Document(msgspec.Struct, gc=False):
    text: str


class Text(RowFormat[Document]):
    name = layout = "text"
    columns = ("text",)
    _decode = msgspec.json.Decoder(Document).decode

    @classmethod
    def is_conversational(cls, fields: Mapping[str, bytes]) -> bool:
        return False

    def read(self, raw: bytes) -> Document:
        row = self._decode(raw)
        if not row.text or row.text.isspace():
            raise BadRow("empty-text", "'text' is empty: the model would only learn to stop at once. Remove the row.")
        return row

    def measure(self, row: Document, size: int, tally: Tally) -> None:
        tally.add(len(row.text), 0, size, lambda: row.text)

    def plain(self, row: Document) -> dict[str, Any]:
        return {"text": row.text}
