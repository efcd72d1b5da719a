"""The facts of a model in words, each with where it comes from: read from the model's own files, or assumed."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from humanize import intcomma

from jobs.rulebook.tree import Module, read_modules
from jobs.rulebook.words import magnitude, names

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """One fact. `assumed` ones come from the catalogue's row or the family, not from the model's files."""

    label: str
    text: str
    note: str = ""
    assumed: bool = False


@dataclass(frozen=True)
class _Kind:
    """How some facts are worded: under which label, by which function, and what the value means."""

    label: str
    facts: tuple[str, ...]
    words: Callable[[Facts], str]
    note: str = ""


def fact_sheet(facts: Facts, read: Container[str]) -> list[Line]:
    """The facts that are known. `read` holds the names of those that the model's files told."""
    return list(_lines(facts, read))


def _lines(facts: Facts, read: Container[str]) -> Iterator[Line]:
    for kind in KINDS:
        if all(facts.get(name) is not None for name in kind.facts) and (text := kind.words(facts)):
            yield Line(kind.label, text, kind.note, assumed=not all(name in read for name in kind.facts))


def _parameters(facts: Facts) -> str:
    return f"{magnitude(facts['parameters'])} ({intcomma(facts['parameters'])})"


def _layers(facts: Facts) -> str:
    return f"{facts['layers']}, {intcomma(facts['hidden_size'])} wide"


def _attention(facts: Facts) -> str:
    key_value = facts["key_value_width"]
    same = key_value == facts["attention_width"]
    return f"{intcomma(facts['attention_width'])} wide" + ("" if same else f", keys and values {intcomma(key_value)}")


def _context(facts: Facts) -> str:
    return f"{intcomma(facts['context_length'])} tokens"


def _positions(facts: Facts) -> str:
    if facts["position_table"]:
        return "from a learned table: a row that is longer crashes the training"
    return "computed: a longer row runs, but the model was not made for it"


def _vocabulary(facts: Facts) -> str:
    rows = f"{intcomma(facts['vocabulary_size'])} rows"
    tokens = facts.get("tokenizer_size")
    if not tokens:
        return rows
    fits = "" if tokens <= facts["vocabulary_size"] else ", more than the model has rows for"
    return f"{rows}, {intcomma(tokens)} tokens in the tokenizer{fits}"


def _tied(facts: Facts) -> str:
    name = facts["tied_embedding"]
    return f"the same matrix as the embedding ({name})" if name else "a matrix of its own"


def _experts(facts: Facts) -> str:
    tree = read_modules(facts["modules"], facts.get("renamed_targets"))
    experts = [module for module in tree.modules if module.kind == "expert"]
    return f"{_most(experts)} in each of {max(module.count for module in experts)} layers" if experts else ""


def _most(experts: list[Module]) -> str:
    return names(sorted({f"{module.experts}" for module in experts}))


def _checkpointing(facts: Facts) -> str:
    return "possible" if facts["supports_checkpointing"] else "not possible: activations of all layers are kept"


def _packing(facts: Facts) -> str:
    return "rows see their neighbours" if facts["packing_leaks"] else "rows stay apart"


KINDS = (
    _Kind("Family", ("family",), lambda facts: str(facts["family"])),
    _Kind("Parameters", ("parameters",), _parameters),
    _Kind("Layers", ("layers", "hidden_size"), _layers),
    _Kind("Attention", ("attention_width", "key_value_width"), _attention),
    _Kind("MLP", ("intermediate_size",), lambda facts: f"{intcomma(facts['intermediate_size'])} wide"),
    _Kind("Experts", ("modules",), _experts),
    _Kind("Context", ("context_length",), _context),
    _Kind("Positions", ("position_table",), _positions),
    _Kind("Vocabulary", ("vocabulary_size",), _vocabulary),
    _Kind("Output head", ("tied_embedding",), _tied),
    _Kind("Gradient checkpointing", ("supports_checkpointing",), _checkpointing),
    _Kind("Packing", ("packing_leaks",), _packing),
)
