"""What a dataset format is to the reader: recognised by its columns, decoded, checked, measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from ..tally import Tally

RowType = TypeVar("RowType")


class RowFormat(ABC, Generic[RowType]):
    """One format. Formats know a single row; the reader walks the file."""

    name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    """The columns that are trained. All other columns of a file are ignored."""

    @classmethod
    def recognises(cls, fields: Mapping[str, bytes]) -> bool:
        """Whether a row with these fields, each as it stands in the file, has this format."""
        return fields.keys() >= set(cls.columns)

    @abstractmethod
    def read(self, raw: bytes) -> RowType:
        """Decode and check one row. Raises one of `problems.ROW_ERRORS`."""

    @abstractmethod
    def measure(self, row: RowType, size: int, tally: Tally) -> None:
        """Add a good row to the tally. `size` is its length in the file, in bytes."""

    @abstractmethod
    def plain(self, row: RowType) -> dict[str, Any]:
        """The trained columns as JSON values."""
