"""Reads dataset files. Plain Python without Django, streaming, in bounded memory whatever the file's size."""

from .problems import REASONS, storable
from .reader import Reading, good_rows, read_file
from .rows import MAX_ROW_BYTES
from .telling import Telling, choose_telling_rows

__all__ = [
    "MAX_ROW_BYTES",
    "REASONS",
    "Reading",
    "Telling",
    "choose_telling_rows",
    "good_rows",
    "read_file",
    "storable",
]
