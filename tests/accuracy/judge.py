"""Puts together what the portal said and what then happened, and presses every fix that was offered for an error."""

from __future__ import annotations

import hashlib
import json
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jobs.rulebook import Finding

from .case import Case
from .lab import Lab
from .models import Folders
from .portal import Portal, Verdict, write_run
from .records import Records

_ROWS = ("dataset.bad-rows", "dataset.rows-left-out", "prepared.")
TOLD_BY: Mapping[str, tuple[str, ...]] = {
    "answer-empty": _ROWS,
    "answer-missing": _ROWS,
    "beyond-context": ("length.beyond-context",),
    "content-lost": (
        "template.drops-", "template.shortens-", "template.forgets-", "tools.", "dataset.parts-left-out",
    ),
    "end-untrained": ("template.other-end", "template.no-end", "trainer.end-untrained"),
    "loss-explodes": ("numbers.learning-rate-unusual", "lora.alpha-unusual"),
    "packing-leaks": ("packing.leaks",),
    "pair-equal": ("dataset.equal-pairs", "measured.pairs-", "prepared.pairs-"),
    "prints-none": ("template.",),
    "row-teaches-nothing": ("measured.rows-", "prepared."),
    "rows-cut": ("length.rows-cut", "measured.rows-", "prepared."),
    "rows-lost": ("measured.rows-lost", "prepared.left-out"),
    "start-doubled": ("measured.start-doubled",),
}  # fmt: skip
"""Which findings name a symptom: the beginnings of their codes. A job accepted with one of them is not silent."""

MOST_FIXES_IN_A_ROW = 6
NO_TIME = {"check": 0.0, "rehearse": 0.0, "train": 0.0}


@dataclass
class Result:
    """`cell` is the cell of the table: one of `table.CELLS`."""

    name: str
    cell: str
    rehearsed: str
    errors: list[str]
    warnings: list[str]
    advice: list[str]
    outcome: str
    what: str
    symptoms: list[str]
    seconds: dict[str, float]
    fixes: list[dict[str, Any]] = field(default_factory=list)
    truth: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Judge:
    def __init__(self, portal: Portal, lab: Lab, records: Records, scratch: Path) -> None:
        self.portal, self.lab, self.records, self.scratch = portal, lab, records, scratch

    def judged_anyway(self, case: Case, folders: Folders) -> Result:
        """And remembered. A check that breaks down was wrong about its case, and is tried again next time."""
        try:
            result = self.judge(case, folders.of(case))
        except Exception as error:
            traceback.print_exc()
            what = f"the check broke down: {type(error).__name__}: {error}"[:300]
            return Result(case.name, "accepted_failed", "", [], [], [], "fails", what, [], dict(NO_TIME))
        self.records.keep_result(case.key, result.as_dict())
        return result

    def judge(self, case: Case, model: Path) -> Result:
        verdict = self.portal.check(case, model)
        trained = self._train(case, verdict, model)
        refused = bool(verdict.errors)
        untold = [each for each in trained["symptoms"] if not is_told(each, verdict.told)]
        result = Result(
            name=case.name,
            cell=_cell(refused, trained["outcome"], trained["symptoms"] if refused else untold),
            rehearsed=verdict.rehearsed,
            errors=[each.code for each in verdict.errors],
            warnings=[each.code for each in verdict.findings if each.severity == "warning"],
            advice=[each.code for each in verdict.findings if each.severity == "advice"],
            outcome=trained["outcome"],
            what=trained["code"] or trained["error"],
            symptoms=trained["symptoms"],
            seconds={
                "check": round(verdict.seconds, 3),
                "rehearse": round(verdict.rehearsal, 2),
                "train": trained["seconds"],
            },
            truth=case.truth,
        )
        result.fixes = list(self._fixes(case, verdict, model))
        return result

    def _train(self, case: Case, verdict: Verdict, model: Path) -> dict[str, Any]:
        """What happens when it is trained; remembered for the same run of the same trainer."""
        unread = write_run(self.scratch / "run", case, verdict, model)
        asked = not verdict.errors or bool(verdict.rehearsed)
        key = _run_key(self.scratch / "run", case.model_key, asked, unread)
        if (known := self.records.training(key)) is not None:
            return known
        trained = self.lab.ask("train", folder=str(self.scratch / "run"), asked=asked, unread=unread)
        self.records.keep_training(key, trained)
        return trained

    def _fixes(self, case: Case, verdict: Verdict, model: Path) -> Iterator[dict[str, Any]]:
        """Each fix of each error: does its finding go, without another error, and does the job then train?"""
        if not verdict.facts:
            return
        for finding in verdict.errors:
            for number, fix in enumerate(finding.fixes):
                after = self.portal.press(verdict, finding, number)
                yield {"code": finding.code, "label": fix.label, **self._cured(case, verdict, finding, after, model)}

    def _cured(self, case: Case, before: Verdict, finding: Finding, after: Verdict, model: Path) -> dict[str, Any]:
        known = {(each.code, each.field) for each in before.errors}
        if any((each.code, each.field, each.message) == _of(finding) for each in after.errors):
            return {"cures": False, "why": "its finding stays"}
        other = [each for each in after.errors if (each.code, each.field) not in known]
        if new := [each.code for each in other if not _was_so_before(each, finding, before)]:
            return {"cures": False, "why": f"brings {', '.join(new)}"}
        after = self._mended(after)
        if after.errors:
            return {"cures": True, "why": "other errors are left, without a fix"}
        trained = self._train(case, after, self.portal.folder_of(after, model))
        untold = [each for each in trained["symptoms"] if not is_told(each, after.told)]
        wrong = trained["outcome"] == "fails" or bool(untold)
        return {"cures": not wrong, "why": f"{trained['code'] or trained['error']} {untold}" if wrong else ""}

    def _mended(self, verdict: Verdict) -> Verdict:
        """The verdict after the first fix of every other error was pressed too, as somebody would."""
        for _ in range(MOST_FIXES_IN_A_ROW):
            curable = next((each for each in verdict.errors if each.fixes), None)
            if curable is None:
                break
            verdict = self.portal.press(verdict, curable, 0)
        return verdict


def _was_so_before(error: Finding, mended: Finding, before: Verdict) -> bool:
    """Whether the fix only revealed an error: its rule lacked a fact before, or the value that it is about."""
    unread = mended.code == "specification.unreadable" and mended.field == error.field
    return unread or error.code in before.unasked


def _of(finding: Finding) -> tuple[str, str | None, str]:
    return finding.code, finding.field, finding.message


def is_told(symptom: str, codes: set[str]) -> bool:
    names = TOLD_BY.get(symptom.split(":")[0], ())
    return any(code.startswith(name) for code in codes for name in names)


def _cell(refused: bool, outcome: str, symptoms: list[str]) -> str:
    if refused:
        return "refused_ok" if outcome != "fails" and not symptoms else "refused_bad"
    if outcome == "fails":
        return "accepted_failed"
    return "accepted_silent" if symptoms else "accepted_ok"


def _run_key(folder: Path, model_key: str, asked: bool, unread: dict[str, Any]) -> str:
    run = json.loads((folder / "run.json").read_text())
    told = {name: run[name] for name in ("dataset_format", "conversational")}
    spec = {**run["spec"], "name": None, "data": {**run["spec"]["data"], "dataset": None}}
    key = json.dumps([spec, told, model_key, asked, unread], sort_keys=True).encode()
    return hashlib.sha256(key + (folder / "train.jsonl").read_bytes()).hexdigest()[:20]
