"""What the model sees of one row: found by its number or by what is remarkable about it, and rendered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from random import randrange
from typing import Any

from jobs.preparation.fate import Fate, load, next_row
from jobs.warm.client import Unanswered, ask
from models_catalog.cache import cache_state

from .accounting_question import Question
from .models import Accounting

SECONDS = 10.0
"""A row takes milliseconds, loading a large tokenizer a second or two."""
JUMPS = {
    "longest": "Longest", "shortest": "Shortest", "cut": "Next cut off", "flagged": "Next with a finding",
    "random": "Any",
}  # fmt: skip
FLAGS = {"cut": Fate.CUT, "flagged": ~Fate.CUT}
SAID = {
    Fate.CUT: "It is longer than what is kept: the tokens behind the cut are never read.",
    Fate.END_CUT: "The end of what is to be learnt is cut off.",
    Fate.DROPPED: "Nothing to learn is left of it after the cut, so it is left out.",
    Fate.MASKED: "It holds nothing to learn, so it is left out.",
    Fate.REFUSED: "The chat template does not take it.",
    Fate.EQUAL: "Both answers are the same.",
    Fate.EQUAL_CUT: "Both answers are the same as far as they are kept.",
    Fate.UNKNOWN: "It has characters that the tokenizer lacks.",
}
UNANSWERED = {
    "absent": "The helper process that renders rows is not there just now. It starts with the portal and comes back "
    "by itself after a restart.",
    "timeout": f"Rendering this row took longer than {SECONDS:g} s and was stopped.",
    "memory": "Rendering this row took more memory than it is given and was stopped.",
}
BROKE = "The helper process broke down over this row. Nothing else was harmed; the log has the rest."
LINE_END = "↵\n"


@dataclass(frozen=True)
class Token:
    id: int
    text: str
    special: bool
    learnt: bool
    cut: bool

    @property
    def seen(self) -> str:
        return self.text.replace("\n", LINE_END) or "·"

    @property
    def kinds(self) -> str:
        marks = {"is-special": self.special, "is-learnt": self.learnt and not self.cut, "is-cut": self.cut}
        return " ".join(name for name, is_so in marks.items() if is_so)


@dataclass(frozen=True)
class Tokens:
    """`name` is empty but for pairs; `tokens` are the first of `count`."""

    name: str
    count: int
    tokens: Sequence[Token]

    @property
    def learnt(self) -> int:
        return sum(token.learnt and not token.cut for token in self.tokens)

    @property
    def cut(self) -> int:
        return sum(token.cut for token in self.tokens)


@dataclass(frozen=True)
class SeenRow:
    """Row `number` (from 0) of the usable ones."""

    question: Question
    number: int

    @classmethod
    def of(cls, question: Question, asked: Mapping[str, str]) -> SeenRow:
        """`row` counts from 1; `jump` is a key of JUMPS and starts from it."""
        text = asked.get("row", "")
        now = int(text) - 1 if text.isascii() and text.isdigit() and len(text) < 16 else 0
        number = _jumped(question, asked.get("jump", ""), now)
        return cls(question, max(0, min(number, question.dataset.usable_rows - 1)))

    @property
    def human_number(self) -> int:
        return self.number + 1

    @property
    def jumps(self) -> Mapping[str, str]:
        return JUMPS if _table(self.question.account) else {"random": JUMPS["random"]}

    @cached_property
    def said(self) -> list[str]:
        """What the account says of it."""
        if (table := _table(self.question.account)) is None or self.number >= len(table["fate"]):
            return []
        fate = Fate(int(table["fate"][self.number]))
        return [words for flag, words in SAID.items() if flag in fate]

    @cached_property
    def _answer(self) -> Mapping[str, Any]:
        folder = cache_state(self.question.model, self.question.revision or None).described_in
        row = next(islice(self.question.dataset.good_rows(), self.number, None), None)
        if folder is None or row is None:
            missing = "The model's tokenizer is not here yet." if row else "There is no such row."
            return {"problem": missing, "sequences": []}
        try:
            return ask("show", seconds=SECONDS, model_folder=str(folder), row=row, plan=self._plan)
        except Unanswered as failed:
            return {"problem": UNANSWERED.get(failed.reason, BROKE), "sequences": []}

    @property
    def _plan(self) -> dict[str, Any]:
        """As the account was made: where answers could not be told in every row, every turn is learnt in this one."""
        account, plan = self.question.account, self.question.plan
        every_turn = account is not None and account.summary is not None and not account.summary["answers"]
        return plan | ({"answers_only": False} if every_turn else {})

    @property
    def problem(self) -> str:
        return str(self._answer["problem"])

    @property
    def sequences(self) -> Iterator[Tokens]:
        for each in self._answer["sequences"]:
            yield Tokens(each["name"], each["count"], [Token(**token) for token in each["tokens"]])


def _jumped(question: Question, jump: str, now: int) -> int:
    account = question.account
    if jump == "random":
        return randrange(max(1, question.dataset.usable_rows))  # noqa: S311 - nothing secret
    if (table := _table(account)) is None or account is None:
        return now
    if jump in FLAGS:
        found = next_row(table["fate"], FLAGS[jump], now)
        return now if found is None else found
    return int((account.summary or {})["ends"].get(jump, now))


def _table(account: Accounting | None) -> Mapping[str, Any] | None:
    if account is None or account.state != Accounting.State.DONE or not account.path.is_file():
        return None
    return load(account.path)
