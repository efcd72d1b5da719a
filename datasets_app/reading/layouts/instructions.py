"""An instruction with its answer, each in a column: Alpaca, questions and answers, and answers to choose between.

They are read as a prompt and a completion made of turns, so that only the answers are learnt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from ..formats.preference import Preference, TurnsChoice
from ..formats.prompt_completion import Pair, PromptCompletion, TurnsPair
from ..formats.turns import Turn
from ..problems import BadRow

QUESTIONS = ("question", "query", "problem", "instruction", "prompt", "user", "human", "input", "inputs")
ANSWERS = ("answer", "response", "solution", "output", "completion", "assistant", "reply", "targets", "gpt", "bot")
CONTEXTS = ("context", "passage")
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
Fields = Mapping[str, bytes]


class Alpaca(PromptCompletion):
    """`instruction`, perhaps `input`, and `output`; perhaps `system`, and `history` as pairs of texts."""

    layout = "alpaca"
    needs: ClassVar[tuple[str, ...]] = ("instruction", "output")
    also: ClassVar[tuple[str, ...]] = ("input", "system", "history")

    def __init__(self) -> None:
        super().__init__(conversational=True)

    @classmethod
    def recognises(cls, fields: Fields) -> bool:
        return all(_is_text(fields.get(name)) for name in cls.needs)

    @classmethod
    def is_conversational(cls, fields: Fields) -> bool:
        return True

    def read(self, raw: bytes) -> Pair:
        row = _decode(raw)
        prompt = list(_instruction(row, "instruction", "input"))
        return self.checked(TurnsPair(prompt, [Turn("assistant", _text(row, "output"))]))


class QuestionAnswer(PromptCompletion):
    """One of the usual names for a question beside one of those for an answer."""

    layout = "question_answer"

    def __init__(self) -> None:
        super().__init__(conversational=True)

    @classmethod
    def recognises(cls, fields: Fields) -> bool:
        return _question_and_answer(fields) is not None

    @classmethod
    def is_conversational(cls, fields: Fields) -> bool:
        return True

    def read(self, raw: bytes) -> Pair:
        row = _decode(raw)
        names = _question_and_answer({name: bytes(value) for name, value in row.items()})
        if names is None:
            raise BadRow("missing-field", "The row has no question and answer, as the rest of the file. Add them.")
        question, answer = names
        context = next((name for name in CONTEXTS if name in row), "")
        prompt = list(_instruction(row, question, context))
        return self.checked(TurnsPair(prompt, [Turn("assistant", _text(row, answer))]))


class InstructionPreference(Preference):
    """`instruction` or a question beside `chosen` and `rejected` texts."""

    layout = "alpaca_preference"

    def __init__(self) -> None:
        super().__init__(conversational=True)

    @classmethod
    def recognises(cls, fields: Fields) -> bool:
        return (
            "prompt" not in fields
            and _first(fields, QUESTIONS) is not None
            and all(_is_text(fields.get(answer)) for answer in ("chosen", "rejected"))
        )

    @classmethod
    def is_conversational(cls, fields: Fields) -> bool:
        return True

    def read(self, raw: bytes) -> Any:
        row = _decode(raw)
        question = _first({name: bytes(value) for name, value in row.items()}, QUESTIONS) or "instruction"
        prompt = list(_instruction(row, question, "input" if question != "input" else ""))
        chosen, rejected = ([Turn("assistant", _text(row, answer))] for answer in ("chosen", "rejected"))
        return self.checked(TurnsChoice(chosen, rejected, prompt))


def _is_text(value: bytes | None) -> bool:
    return value is not None and value[:1] == b'"'


def _first(fields: Fields, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if _is_text(fields.get(name))), None)


def _question_and_answer(fields: Fields) -> tuple[str, str] | None:
    question, answer = _first(fields, QUESTIONS), _first(fields, ANSWERS)
    return (question, answer) if question and answer else None


def _instruction(row: Mapping[str, msgspec.Raw], question: str, addition: str) -> Iterator[Turn]:
    """The turns up to the answer: what the system is told, what was said before, and the question."""
    system = _text(row, "system", needed=False)
    if system.strip():
        yield Turn("system", system)
    for asked, answered in _history(row):
        yield Turn("user", asked)
        yield Turn("assistant", answered)
    added = _text(row, addition, needed=False) if addition else ""
    asked = _text(row, question, needed=not added.strip())
    text = "\n".join(part for part in (asked, added) if part.strip())
    if not text:
        raise BadRow("no-prompt", f"'{question}' is empty: the answer would be learnt without a question. Fill it.")
    yield Turn("user", text)


_pairs = msgspec.json.Decoder(list[tuple[str, str]]).decode


def _history(row: Mapping[str, msgspec.Raw]) -> list[tuple[str, str]]:
    written = bytes(row.get("history", b""))
    if written[:1] != b"[":
        return []
    try:
        return _pairs(written)
    except msgspec.ValidationError:
        raise BadRow(
            "wrong-type", "'history' must be a list of pairs: a question and its answer, both texts."
        ) from None


def _text(row: Mapping[str, msgspec.Raw], name: str, *, needed: bool = True) -> str:
    written = row.get(name)
    if not needed and (written is None or bytes(written) == b"null"):
        return ""
    if written is None:
        raise BadRow("missing-field", f"The row has no '{name}', as the rest of the file. Add it or remove the row.")
    value = msgspec.json.decode(written)
    if value is None:
        raise BadRow("null-content", f"'{name}' is null. Give it a value or remove the row.")
    if not isinstance(value, str):
        raise BadRow("wrong-type", f"'{name}' is no text. Write it as text or remove the row.")
    return value
