"""What a dataset format is to the reader: recognised by its columns, decoded, checked, measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from ..tally import Tally
from .spellings import Renamed

RowType = TypeVar("RowType")


class RowFormat(ABC, Generic[RowType]):
    """One format as one layout writes it. Formats know a single row; the reader walks the file."""

    name: ClassVar[str]
    layout: ClassVar[str]
    """How files of it look. A format's own layout has its name; others are read into the same rows."""
    columns: ClassVar[tuple[str, ...]]
    """The columns that are trained. All other columns of a file are ignored."""

    def __init__(self) -> None:
        self.renamed = Renamed()
        """Roles that were written in other words, counted over all rows that were read."""

    def respelt(self, read: Callable[[Renamed], RowType]) -> RowType:
        """What `read` makes of a row; the roles that it renames count when the row is a good one."""
        renamed = Renamed()
        row = read(renamed)
        self.renamed.update(renamed)
        return row

    @classmethod
    def recognises(cls, fields: Mapping[str, bytes]) -> bool:
        """Whether a row with these fields, each as it stands in the file, has this layout."""
        return fields.keys() >= set(cls.columns)

    @classmethod
    def is_conversational(cls, fields: Mapping[str, bytes]) -> bool:
        """Whether such a row is trained as a list of messages."""
        return True

    @abstractmethod
    def read(self, raw: bytes) -> RowType:
        """Decode and check one row. Raises one of `problems.ROW_ERRORS`."""

    @abstractmethod
    def measure(self, row: RowType, size: int, tally: Tally) -> None:
        """Add a good row to the tally. `size` is its length in the file, in bytes."""

    @abstractmethod
    def plain(self, row: RowType) -> dict[str, Any]:
        """The trained columns as JSON values."""
