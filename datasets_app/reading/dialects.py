"""Whether a text is a table, and how its cells are told apart: delimiter, quotes, names of the columns."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from .problems import Unreadable

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
JUDGED = 200
"""Records at the beginning by which a table is known."""
MOST_ALIKE, ALIKE = 0.9, 0.5
"""Shares of records with as many cells as the first: surely a table, and a table when the first holds known names."""
LONGEST_NAME = 100
MOST_WORDS = 8
"""Longer cells in the first line are a row, not names."""
KNOWN = frozenset(
    {
        "messages", "conversations", "conversation", "text", "prompt", "completion", "chosen", "rejected",
        "instruction", "input", "output", "question", "answer", "response", "content", "query", "context",
        "system", "history", "label", "id", "role", "source", "target", "title", "body", "summary", "tools",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Dialect:
    """How a table is written. `json_columns` hold conversations as JSON, which are read as such."""

    delimiter: str
    quote: str
    escape: str | None
    columns: tuple[str, ...]
    json_columns: frozenset[str] = frozenset()

    def reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            doublequote=self.escape is None,
            strict=True,
        )

    @property
    def notes(self) -> Iterator[str]:
        quotes = "double quotes" if self.quote == '"' else "single quotes"
        escaped = ", which a backslash escapes inside a cell" if self.escape else ""
        yield f"Cells are separated by a {DELIMITERS[self.delimiter]} and quoted with {quotes}{escaped}."
        if self.json_columns:
            names = ", ".join(f"“{name[:40]}”" for name in sorted(self.json_columns)[:5])
            yield f"The cells of {names} hold JSON, which is read as lists of messages."


@dataclass(frozen=True)
class _Attempt:
    """What the beginning of a text looks like when it is read in one dialect."""

    dialect: Dialect
    alike: float
    records: Sequence[Sequence[str]]


def dialect_of(head: str, *, whole: bool) -> Dialect | None:
    """The dialect of a table, or None for another text. `whole` says that the head is all there is.

    Raises Unreadable for a table whose columns have no names, or the same.
    """
    attempts = [attempt for attempt in _attempts(head, whole) if len(attempt.records) > 1 or whole]
    best = max(attempts, key=lambda attempt: (attempt.alike, len(attempt.dialect.columns)), default=None)
    single = _single_column(head)
    if best is None or best.alike < ALIKE:
        return single
    names = best.dialect.columns
    is_known = any(name.lower() in KNOWN for name in names)
    if single or not (is_known or (best.alike >= MOST_ALIKE and len(best.records) > 2)):
        return single
    _check_names(names, is_known)
    return best.dialect


def _attempts(head: str, whole: bool) -> Iterator[_Attempt]:
    lines = [f"{line}\n" for line in head.split("\n")]
    lines = lines if whole else lines[:-1]
    for quote, escape in _quotings(head):
        for delimiter in DELIMITERS:
            if lines and delimiter in lines[0]:
                attempt = _attempt(lines, Dialect(delimiter, quote, escape, ()))
                if attempt and len(attempt.dialect.columns) > 1:
                    yield attempt


def _quotings(head: str) -> Iterator[tuple[str, str | None]]:
    yield '"', None
    if '\\"' in head:
        yield '"', "\\"
    if '"' not in head and "'" in head:
        yield "'", None


def _attempt(lines: Sequence[str], dialect: Dialect) -> _Attempt | None:
    records: list[list[str]] = []
    reader = dialect.reader(iter(lines))
    broken = 0
    while len(records) < JUDGED:
        try:
            record = next(reader, None)
        except csv.Error:
            broken += 1
            continue
        if record is None:
            break
        if record:
            records.append(record)
    if not records:
        return None
    width = len(records[0])
    alike = sum(len(record) == width for record in records) / (len(records) + broken)
    return _Attempt(_named(dialect, records), alike, records)


def _named(dialect: Dialect, records: Sequence[Sequence[str]]) -> Dialect:
    names = tuple(name.strip() or f"column {number}" for number, name in enumerate(records[0], 1))
    first = records[1] if len(records) > 1 else ()
    held = frozenset(name for name, cell in zip(names, first, strict=False) if holds_turns(cell))
    return Dialect(dialect.delimiter, dialect.quote, dialect.escape, names, held)


_as_list = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def holds_turns(cell: str) -> bool:
    """Whether a cell is a conversation written as JSON, which no text is that is meant to be one."""
    if not cell.lstrip().startswith("[{"):
        return False
    try:
        turns = _as_list(cell)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return all({"role", "content"} <= turn.keys() or {"from", "value"} <= turn.keys() for turn in turns)


def _single_column(head: str) -> Dialect | None:
    """A table of one column, known by its name alone. The delimiter is one that no line holds."""
    name, _, rest = head.lstrip("\n\r").partition("\n")
    name = name.strip().strip('"')
    if name.lower() not in KNOWN or not rest.strip():
        return None
    quoted = rest.lstrip().startswith('"')
    delimiter = next((each for each in DELIMITERS if quoted or each not in rest), ",")
    return Dialect(delimiter, '"', None, (name,))


def _check_names(names: Sequence[str], is_known: bool) -> None:
    wrong = next((name for name in names if _is_no_name(name)), None)
    if wrong is not None and not is_known:
        raise Unreadable(
            "no-header",
            f"The first line of the table must name its columns, but holds “{wrong[:60]}”. Put a line with names "
            "before it, such as prompt and completion.",
        )
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        shown = ", ".join(f"“{name[:40]}”" for name in twice[:5])
        raise Unreadable("same-columns", f"Several columns of the table are called {shown}. Give each its own name.")


def _is_no_name(name: str) -> bool:
    is_number = name.replace(".", "", 1).removeprefix("-").isdecimal()
    return is_number or len(name) > LONGEST_NAME or len(name.split()) > MOST_WORDS
