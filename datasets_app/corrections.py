"""A corrected copy: what is done about each class of rows, tried before it is made, and written down row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from finetune_site.problems import problem

from .fingerprints import Seen, fingerprint
from .judging import Judge
from .models import Dataset
from .preview import shown
from .reading.problems import ROW_ERRORS, BadRow, Unread
from .reading.sources import rows_of
from .repairs import BAD, FAULTS, ODD, Fault, mended, odd
from .version_files import Change, Report, Row, Step
from .versions import derive

REPAIR, DROP, KEEP = "repair", "drop", "keep"
ROUNDS = 8
"""One row may be bad in several ways, which show one after the other."""
TRIED_BYTES = 4 * 1024 * 1024
"""Of larger files the beginning is tried: nobody waits longer for a count."""
EXAMPLES = 3

Choices = Mapping[str, str]
Treated = tuple[bytes | None, Change | None, dict[str, Any]]
"""The row to write, what was changed, and what is trained of it."""


def actions(fault: Fault) -> tuple[str, ...]:
    """What can be done about a class of rows. A bad row is never kept unseen: jobs would stop at it."""
    repair = (REPAIR,) if fault.repairable else ()
    return (*repair, DROP, KEEP) if fault.code in ODD else (*repair, DROP)


def usual_choices() -> dict[str, str]:
    """Bad rows are repaired where that is possible, else left out; of the others only doubles are."""
    bad = {code: actions(fault)[0] for code, fault in BAD.items()}
    return bad | dict.fromkeys(ODD, KEEP) | {"duplicate": DROP}


def choices_of(given: Mapping[str, Any]) -> dict[str, str]:
    """The usual choices with those that were given. Raises Problem for what cannot be chosen."""
    for code, action in given.items():
        fault = FAULTS.get(code)
        if fault is None:
            message = f"“{str(code)[:60]}” is no class of rows. There are {', '.join(FAULTS)}."
            raise problem("choices", "correction.unknown-class", message)
        if action not in actions(fault):
            ways = " or ".join(f"“{each}”" for each in actions(fault))
            message = f"Rows with “{fault.name}” can be treated by {ways}, not by “{str(action)[:60]}”."
            raise problem(f"choices.{code}", "correction.unknown-action", message)
    return usual_choices() | dict(given)


def correct_dataset(*, dataset: Dataset, choices: Mapping[str, Any]) -> Dataset:
    """A new version in which each class of rows was treated as chosen. The version it is made from stays as it is."""
    require_rows(dataset)
    chosen = choices_of(choices)
    return derive(dataset, "correction", {"choices": chosen}, name=f"{dataset.name[:90]}, corrected")


def require_read(dataset: Dataset) -> None:
    """Raises Problem unless the rows of the dataset are known."""
    if dataset.status != Dataset.Status.READY:
        message = f"“{dataset.name}” has not been read yet, or could not be. Wait until its page shows its rows."
        raise problem("dataset", "dataset.not-ready", message, 409)


def require_rows(dataset: Dataset) -> None:
    """Raises Problem unless the dataset has been read and has a format."""
    require_read(dataset)
    if dataset.format == "unknown":
        message = f"The format of “{dataset.name}” is not known, so nobody can say which of its rows are bad."
        raise problem("dataset", "dataset.unknown-format", message, 409)


@dataclass(frozen=True)
class Trial:
    """What a corrected copy would be, counted without writing it."""

    rows: int
    whole: bool
    report: Report
    examples: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        return {"rows_read": self.rows, "whole": self.whole, **self.report.as_dict(), "examples": self.examples}


def try_correction(*, dataset: Dataset, choices: Mapping[str, Any]) -> Trial:
    """What correcting would do, over the whole file or, if it is large, its beginning. Nothing is written."""
    require_rows(dataset)
    report, examples, shown_of = Report(), list[dict[str, Any]](), Counter[str]()
    rows = size = 0
    for rows, (line, row, change, raw) in enumerate(_tried(dataset, choices_of(choices)), 1):  # noqa: B007 - counted
        report.add(row, change)
        size += len(raw)
        if change is not None and shown_of[change.code] < EXAMPLES:
            shown_of[change.code] += 1
            examples.append(_example(line, raw, row, change))
        if size >= TRIED_BYTES:
            break
    return Trial(rows, rows == dataset.rows, report, examples)


def _example(line: int, raw: bytes, row: Row, change: Change) -> dict[str, Any]:
    after = msgspec.json.decode(row) if isinstance(row, bytes) else row
    return {"line": line, "code": change.code, "done": change.done, "before": _before(raw), "after": shown(after)}


def _before(raw: bytes) -> Any:
    try:
        return shown(msgspec.json.decode(raw))
    except ROW_ERRORS:
        return shown(raw[:1000].decode("utf-8", "replace").strip())


def version_rows(parent: Dataset, options: Mapping[str, Any]) -> Iterator[Step]:
    """The rows of a corrected copy."""
    return ((line, row, change) for line, row, change, _ in _tried(parent, options["choices"]))


def _tried(dataset: Dataset, choices: Choices) -> Iterator[tuple[int, Row, Change | None, bytes]]:
    treat = Treatment(dataset, choices)
    for line, raw in rows_of(dataset.path):
        row, change = treat(line, raw)
        yield line, row, change, raw


class Treatment:
    """What becomes of each row of a dataset."""

    def __init__(self, dataset: Dataset, choices: Choices) -> None:
        self._judge = Judge(dataset)
        self._choices = choices
        self._mends = [code for code in ODD if choices.get(code, KEEP) != KEEP and ODD[code].mends]
        self._seen = Seen() if choices.get("duplicate") == DROP else None
        self._equal_pairs = choices.get("equal-pair") == DROP and dataset.format == "preference"

    def __call__(self, line: int, raw: bytes) -> tuple[Row, Change | None]:
        row, change, trained = self._made_good(line, raw)
        if row is not None and self._mends:
            row, change, trained = self._made_better(line, row, change, trained)
        if row is None:
            return None, change
        if needless := self._needless(trained):
            repaired = f"{change.done} " if change else ""
            return None, Change(needless, f"{repaired}Left out: {ODD[needless].name}.")
        return row, change

    def _made_good(self, line: int, raw: bytes) -> Treated:
        """Repair after repair, until the row is good or nothing helps any more."""
        first, done = "", list[str]()
        for _ in range(ROUNDS):
            judged = self._judge(line, raw)
            if not isinstance(judged, BadRow):
                return raw, Change(first, " ".join(done)) if done else None, judged
            first = first or judged.code
            repairs = self._choices.get(judged.code) == REPAIR and not isinstance(raw, Unread)
            repaired = mended(judged.code, raw) if repairs else None
            if repaired is None or repaired[0] == raw:
                break
            raw = repaired[0]
            done.append(repaired[1])
        return None, Change(first, " ".join([*done, f"Left out: {judged}"])), {}

    def _made_better(self, line: int, raw: bytes, change: Change | None, trained: dict[str, Any]) -> Treated:
        """Repairs of good rows. A row that they would make bad is left out."""
        row = msgspec.json.decode(raw)
        code, done = "", list[str]()
        for each in self._mends:
            if not (said := odd(each, row)):
                continue
            if self._choices[each] == DROP:
                return None, Change(each, f"Left out: {ODD[each].name}."), {}
            code = code or each
            done.append(said)
        if not done:
            return raw, change, trained
        if change is not None:
            code, done = change.code, [change.done, *done]
        better = msgspec.json.encode(row)
        judged = self._judge(line, better)
        if isinstance(judged, BadRow):
            return None, Change(code, " ".join([*done, f"Left out: {judged}"])), {}
        return better, Change(code, " ".join(done)), judged

    def _needless(self, trained: dict[str, Any]) -> str:
        if self._equal_pairs and trained["chosen"] == trained["rejected"]:
            return "equal-pair"
        is_new = self._seen is None or self._seen.add(fingerprint(trained))
        return "" if is_new else "duplicate"


def found_classes(dataset: Dataset) -> list[tuple[Fault, int]]:
    """The classes of bad rows in a dataset with their number, most frequent first."""
    by_code: Mapping[str, int] = dataset.stats.get("bad_rows_by_code", {})
    return [(BAD[code], number) for code, number in by_code.items()]
