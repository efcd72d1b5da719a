"""Reads dataset files. Plain Python without Django, streaming, in bounded memory whatever the file's size."""

from .detect import Shape
from .problems import REASONS, BadRow, Problem, storable
from .reader import Reading, good_rows, read_file
from .sources import MAX_ROW_BYTES

__all__ = ["MAX_ROW_BYTES", "REASONS", "BadRow", "Problem", "Reading", "Shape", "good_rows", "read_file", "storable"]
