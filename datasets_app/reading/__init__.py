"""Reads dataset files. Plain Python without Django, streaming, in bounded memory whatever the file's size."""

from .containers import Container, container_of
from .problems import REASONS, Unreadable, storable
from .reader import Reading, good_rows, located_rows, read_file
from .rows import MAX_ROW_BYTES
from .sources import rows_of
from .telling import Telling, choose_telling_rows

__all__ = [
    "MAX_ROW_BYTES",
    "REASONS",
    "Container",
    "Reading",
    "Telling",
    "Unreadable",
    "choose_telling_rows",
    "container_of",
    "good_rows",
    "located_rows",
    "read_file",
    "rows_of",
    "storable",
]
