"""What stands in the texts of a dataset that one may not want to teach. Advice with counts, never a reason to stop.

Plain Python. Rows come one by one, as they are trained; what is held of them is small, however many there are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .near_duplicates import NearDuplicates

Row = Mapping[str, Any]
EXAMPLES = 3
EXCERPT = 80
"""Characters on each side of what was found."""
ANSWERS_HELD = 50_000
"""Different short answers that are counted; further ones are not."""
SHORT = 200
FEW = 20
"""Smaller datasets have no shares worth telling."""


@dataclass(frozen=True)
class Advice:
    """One thing that was found: in how many rows, and the first of them by line."""

    code: str
    title: str
    message: str
    rows: int
    examples: tuple[tuple[int, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        examples = [{"line": line, "text": text} for line, text in self.examples]
        return {
            "code": self.code,
            "title": self.title,
            "message": self.message,
            "rows": self.rows,
            "examples": examples,
        }


@dataclass(frozen=True)
class Texts:
    """A row as this module looks at it: everything in it, what is asked, what is answered, who speaks."""

    whole: str
    asked: str
    answers: tuple[str, ...]
    roles: tuple[str, ...]

    @classmethod
    def of(cls, row: Row) -> Texts:
        if "text" in row:
            return cls(row["text"], "", (), ())
        prompt = _turns("user", row.get("prompt", row.get("messages", "")))
        answers = [_turns("assistant", row[side]) for side in ("completion", "chosen", "rejected") if side in row]
        turns = [*prompt, *(turn for side in answers for turn in side)]
        learnt = [turn for side in answers for turn in side] if answers else prompt
        return cls(
            "\n".join(content for _, content in turns),
            next((content for role, content in prompt if role == "user"), ""),
            tuple(content for role, content in learnt if role == "assistant"),
            tuple(role for role, _ in turns),
        )


def _turns(role: str, side: Any) -> list[tuple[str, str]]:
    if isinstance(side, str):
        return [(role, side)]
    return [(turn["role"], turn.get("content") or "") for turn in side]


@dataclass
class Found:
    rows: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, excerpt: str) -> None:
        self.rows += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append((line, excerpt))


@dataclass(frozen=True)
class Check:
    """A pattern that is looked for in every row. `hint` are texts of which a row that has it holds one."""

    code: str
    title: str
    message: str
    pattern: re.Pattern[str]
    where: Callable[[Texts], str]
    hints: tuple[str, ...] = ()

    def find(self, texts: Texts) -> str:
        """What was found with what stands around it; empty where nothing was."""
        text = self.where(texts)
        if self.hints and not any(hint in text for hint in self.hints):
            return ""
        found = self.pattern.search(text)
        return _around(text, found.start(), found.end()) if found else ""


def _around(text: str, start: int, end: int) -> str:
    begin, finish = max(0, start - EXCERPT), min(len(text), end + EXCERPT)
    cut = text[begin:finish].replace("\n", " ")
    return f"{'…' if begin else ''}{cut}{'…' if finish < len(text) else ''}"


def _whole(texts: Texts) -> str:
    return texts.whole


def _answer_begins(texts: Texts) -> str:
    return texts.answers[-1][:SHORT] if texts.answers else ""


END_OF_TURN = (
    r"<\|im_end\|>|<\|eot_id\|>|<\|endoftext\|>|<\|end_of_text\|>|</s>|<end_of_turn>|<\|end\|>|<｜end▁of▁sentence｜>"
)
CHECKS = (
    Check(
        "placeholders",
        "Placeholders that nobody filled in",
        "They look as if a template was not filled in; the model would learn to write them. Fill them in.",
        re.compile(r"\{\{\s*[\w.| -]{1,60}\s*\}\}|\[(?:INSERT|YOUR|ENTER|TODO|PLACEHOLDER)\b[^\]\n]{0,40}\]"),
        _whole,
        ("{{", "["),
    ),
    Check(
        "end-of-turn",
        "Ends of turns inside the text",
        "A tokenizer may read them as its own sign to stop, in the middle of a text. Take them out.",
        re.compile(END_OF_TURN),
        _whole,
        ("<",),
    ),
    Check(
        "special-tokens",
        "Special tokens written out",
        "They come from some model's template. That of the model you train writes its own. Take them out.",
        re.compile(r"<\|(?:im_start|start_header_id|system|user|assistant)\|>|\[/?INST\]|<<SYS>>|<start_of_turn>|<s>"),
        _whole,
        ("<", "[INST", "[/INST"),
    ),
    Check(
        "refusals",
        "Answers that refuse",
        "A model learns to refuse from few of them. Leave them out unless that is wanted.",
        re.compile(
            r"\bas an ai (?:language )?(?:model|assistant)\b"
            r"|\bi['’]?m sorry,? but i (?:can(?:no|['’])t|am (?:not able|unable))"
            r"|\bi (?:can(?:no|['’])t|am unable to|am not able to) (?:assist|help|provide|fulfil)",
            re.IGNORECASE,
        ),
        _answer_begins,
    ),
    Check(
        "control-characters",
        "Control characters",
        "Nobody sees them, and the model learns to write them. A corrected copy can take them out.",
        re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]"),
        _whole,
    ),
    Check(
        "broken-letters",
        "Letters that were broken on the way",
        "Text in one encoding was read in another: “Ã¼” should be “ü”. Export the rows again as UTF-8.",
        re.compile("\ufffd|Ã[\u00a0-\u00bf]|â€[\u0080-\u2122]"),
        _whole,
        ("\ufffd", "Ã", "â€"),
    ),
)


class Contents:
    """Looks at row after row and says in the end what was found, with figures to draw."""

    def __init__(self) -> None:
        self.rows = 0
        self._found = {check.code: Found() for check in CHECKS}
        self._repeats, self._no_user, self._other_script = Found(), Found(), Found()
        self._answers: Counter[str] = Counter()
        self._answered = 0
        self._answer_lengths: Counter[int] = Counter()
        self._with_system = 0
        self._scripts: Counter[str] = Counter()
        self._of_script: dict[str, Found] = {}
        self.lengths: Counter[int] = Counter()
        self.turns: Counter[int] = Counter()
        self.roles: Counter[str] = Counter()
        self._alike = NearDuplicates()

    def add(self, line: int, row: Row) -> None:
        texts = Texts.of(row)
        self.rows += 1
        for check in CHECKS:
            if excerpt := check.find(texts):
                self._found[check.code].add(line, excerpt)
        self._count(texts)
        self._judge_answers(line, texts)
        self._judge_script(line, texts)
        self._alike.add(line, texts.whole)

    def _count(self, texts: Texts) -> None:
        self.lengths[len(texts.whole).bit_length()] += 1
        if texts.roles:
            self.turns[min(len(texts.roles), 20)] += 1
            self.roles.update(texts.roles)
            self._with_system += "system" in texts.roles

    def _judge_answers(self, line: int, texts: Texts) -> None:
        if texts.roles and "user" not in texts.roles:
            self._no_user.add(line, _around(texts.whole, 0, 0))
        if not texts.answers:
            return
        answer, asked = texts.answers[-1].strip(), texts.asked.strip()
        if len(asked) >= FEW and answer.startswith(asked):
            self._repeats.add(line, _around(answer, 0, 0))
        self._answered += 1
        self._answer_lengths[len(answer)] += 1
        if len(answer) <= SHORT and (answer in self._answers or len(self._answers) < ANSWERS_HELD):
            self._answers[answer] += 1

    def _judge_script(self, line: int, texts: Texts) -> None:
        text = (texts.answers[-1] if texts.answers else texts.whole)[: 2 * SHORT]
        script = script_of(text)
        if script:
            self._scripts[script] += 1
            self._of_script.setdefault(script, Found()).add(line, _around(text, 0, 0))

    def advice(self, repeated: int = 0, most_repeated: int = 0) -> list[Advice]:
        """What was found, the most frequent first. `repeated` rows are equal to an earlier one."""
        found = [
            *self._of_patterns(),
            *self._of_answers(),
            *self._of_rows(repeated, most_repeated),
            *self._of_scripts(),
        ]
        return sorted(found, key=lambda advice: -advice.rows)

    def _of_patterns(self) -> Iterator[Advice]:
        for check in CHECKS:
            found = self._found[check.code]
            if found.rows:
                yield Advice(check.code, check.title, check.message, found.rows, tuple(found.examples))

    def _of_answers(self) -> Iterator[Advice]:
        if self._repeats.rows:
            message = "The model would learn to say the question again before it answers. Take it out of the answers."
            yield _advice("answer-repeats-prompt", "Answers that begin with the question", message, self._repeats)
        if self._no_user.rows:
            message = "Nobody asks in them, so the model learns to talk unasked. Add what is answered."
            yield _advice("no-user", "Rows without a user", message, self._no_user)
        if self._answered < FEW:
            return
        answer, times = next(iter(self._answers.most_common(1)), ("", 0))
        if times >= FEW and times >= self._answered // 5:
            message = (
                f"“{answer[:60]}” is {times / self._answered:.0%} of all answers; a model learns to say it always."
            )
            yield Advice("one-answer", "One answer again and again", message, times)
        length, times = max(self._answer_lengths.items(), key=lambda each: (each[0] >= SHORT) * each[1])
        if length >= SHORT and times >= FEW and times >= self._answered // 20:
            message = f"They have exactly {length:,} characters, as if they had been cut off there. Look at their ends."
            yield Advice("equal-lengths", "Answers of one and the same length", message, times)

    def _of_rows(self, repeated: int, most_repeated: int) -> Iterator[Advice]:
        if repeated:
            times = f"; one of them {most_repeated:,} times in all" if most_repeated > 2 else ""
            message = f"These rows are the same as an earlier one{times}. A corrected copy can leave them out."
            yield Advice("duplicates", "Rows that are there more than once", message, repeated)
        sample, alike, examples = self._alike.result()
        if sample >= FEW and alike - repeated * sample // max(1, self.rows) >= max(2, sample // 20):
            message = (
                f"Of {sample:,} rows that were compared, {alike:,} are nearly the same as another. They count "
                "as if each were new. Leave out what says nothing more."
            )
            yield Advice("near-duplicates", "Rows that are nearly the same", message, alike, tuple(examples))
        if self.rows >= FEW and 0 < self._with_system < self.rows:
            share = self._with_system / self.rows
            if 0.02 < share < 0.98:
                message = (
                    "The others have none. When the model is used, give it one in the same cases, or always or never."
                )
                yield Advice("some-system", "Some rows have a system prompt", message, self._with_system)

    def _of_scripts(self) -> Iterator[Advice]:
        """A script in which a few rows are written while nearly all others are in another."""
        judged = self._scripts.total()
        for script, number in self._scripts.items():
            if judged >= 2 * FEW and number <= judged // 20:
                found = self._of_script[script]
                usual = self._scripts.most_common(1)[0][0]
                message = f"Their letters are {script}, those of most rows are {usual}. See whether they are meant."
                yield _advice("other-script", "Rows in another script", message, found)

    def figures(self) -> dict[str, Any]:
        """What is drawn: rows by length (as powers of two), by turns, and turns by role."""
        return {
            "lengths": [
                [2 ** (bits - 1) if bits else 0, 2**bits - 1, self.lengths[bits]] for bits in _between(self.lengths)
            ],
            "turns": [[turns, self.turns[turns]] for turns in _between(self.turns)],
            "roles": [[role, number] for role, number in self.roles.most_common()],
        }


def _between(counts: Counter[int]) -> range:
    return range(min(counts), max(counts) + 1) if counts else range(0)


def _advice(code: str, title: str, message: str, found: Found) -> Advice:
    return Advice(code, title, message, found.rows, tuple(found.examples))


SCRIPTS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(f"[{letters}]")
    for name, letters in {
        "Latin": "A-Za-z\u00c0-\u024f",
        "Greek": "\u0370-\u03ff",
        "Cyrillic": "\u0400-\u052f",
        "Hebrew": "\u0590-\u05ff",
        "Arabic": "\u0600-\u06ff",
        "Devanagari": "\u0900-\u097f",
        "Bengali": "\u0980-\u09ff",
        "Tamil": "\u0b80-\u0bff",
        "Thai": "\u0e00-\u0e7f",
        "Japanese": "\u3040-\u30ff",
        "Chinese": "\u4e00-\u9fff",
        "Korean": "\uac00-\ud7af",
    }.items()
}


def script_of(text: str) -> str:
    """The script of most letters; empty where there are too few to tell."""
    if text.isascii():
        return "Latin" if len(text) >= FEW else ""
    counts = {name: len(letters.findall(text)) for name, letters in SCRIPTS.items()}
    if counts["Japanese"]:
        counts["Japanese"] += counts.pop("Chinese")
    script = max(counts, key=lambda name: counts[name])
    return script if counts[script] >= FEW // 2 else ""
