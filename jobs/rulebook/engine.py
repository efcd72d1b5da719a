"""Holds every rule and asks those whose facts are known."""

from __future__ import annotations

import functools
import inspect
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from .findings import Finding, Fix, Report, Severity
from .vocabulary import FACTS, Source


@dataclass(frozen=True)
class Broken:
    """A rule's answer when it does not hold: values for its message, fixes, and the field if it varies."""

    values: Mapping[str, Any]
    fixes: tuple[Fix, ...] = ()
    field: str | None = None


Answer = Broken | Iterable[Broken] | None
Ask = Callable[..., Answer]


def broken(
    *, fix: Fix | None = None, fixes: Iterable[Fix | None] = (), field: str | None = None, **values: Any
) -> Broken:
    """Say that a rule does not hold. Fixes that are `None` are left out."""
    offered = tuple(each for each in (fix, *fixes) if each is not None)
    return Broken(values, offered, field)


@dataclass(frozen=True)
class Rule:
    """One thing that must hold, with the facts it reads and an example that breaks it.

    `needs` are the facts without which it cannot be asked; `may_read` are read when they are known.
    `breaks` is an example of facts that break it.
    """

    code: str
    severity: Severity
    field: str | None
    message: str
    ask: Ask
    needs: frozenset[str]
    may_read: frozenset[str]
    breaks: Mapping[str, Any]
    why: str

    def findings(self, known: Mapping[str, Any]) -> list[Finding]:
        """Ask the rule. All of `needs` must be in `known`."""
        facts = {name: known[name] for name in self.needs | (self.may_read & known.keys())}
        answer = self.ask(**facts)
        if answer is None:
            return []
        answers = [answer] if isinstance(answer, Broken) else list(answer)
        return [self._finding(each) for each in answers]

    def _finding(self, answer: Broken) -> Finding:
        field = answer.field or self.field
        message = self.message.format(**{"field": field, **answer.values})
        return Finding(self.code, self.severity, field, message, answer.fixes)


@dataclass(frozen=True)
class Together:
    """Facts that several rules read as one: a dataclass whose fields are named like facts.

    A rule's parameter of such a type is made from them; a field with a default is read only when it is known.
    """


RULES: dict[str, Rule] = {}


class RuleError(ValueError):
    """A rule that is written wrongly; raised when its module is imported."""


def add(rule: Rule) -> Rule:
    """Put one rule in the book, refusing a doubled code, a misspelt fact or an example that does not fit."""
    if rule.code in RULES:
        raise RuleError(f"Two rules use the code {rule.code!r}.")
    if unknown := (rule.needs | rule.may_read | rule.breaks.keys()) - FACTS.keys():
        raise RuleError(f"Rule {rule.code!r} names {sorted(unknown)}, which vocabulary.py does not hold.")
    if missing := rule.needs - rule.breaks.keys():
        raise RuleError(f"The example of rule {rule.code!r} lacks {sorted(missing)}.")
    if not rule.why:
        raise RuleError(f"Rule {rule.code!r} gives no reason.")
    if not any(name for _, name, _, _ in string.Formatter().parse(rule.message)) and "{" in rule.message:
        raise RuleError(f"The message of rule {rule.code!r} has a brace that names nothing.")
    RULES[rule.code] = rule
    return rule


def rule(
    *,
    code: str,
    severity: Severity,
    message: str,
    breaks: Mapping[str, Any],
    field: str | None = None,
) -> Callable[[Ask], Rule]:
    """Register a function as a rule.

    Its parameters are the facts it reads (one with a default is read only when known; one whose type is a
    `Together` stands for several), its docstring is the reason for the rule.
    """

    def register(ask: Ask) -> Rule:
        read = dict(_facts_read(ask))
        optional = frozenset(name for name, is_optional in read.items() if is_optional)
        needs = frozenset(read) - optional
        why = inspect.getdoc(ask) or ""
        return add(Rule(code, severity, field, message, _from_facts(ask), needs, optional, breaks, why))

    return register


def _facts_read(ask: Ask) -> Iterator[tuple[str, bool]]:
    """Each fact a function reads, and whether it can do without."""
    for parameter in inspect.signature(ask).parameters.values():
        together = _together(ask, parameter)
        if together is None:
            yield parameter.name, parameter.default is not parameter.empty
        else:
            yield from ((field.name, field.default is not MISSING) for field in fields(together))


def _together(ask: Ask, parameter: inspect.Parameter) -> type[Together] | None:
    """The type of a parameter that stands for several facts. Annotations are text, as modules are written here."""
    named = ask.__globals__.get(str(parameter.annotation))
    return named if isinstance(named, type) and issubclass(named, Together) else None


def _from_facts(ask: Ask) -> Ask:
    """The function as the engine calls it: with plain facts."""
    parameters = inspect.signature(ask).parameters.values()
    joined = {p.name: together for p in parameters if (together := _together(ask, p))}
    if not joined:
        return ask

    @functools.wraps(ask)
    def asked(**known: Any) -> Answer:
        made = {}
        for name, together in joined.items():
            made[name] = together(**{f.name: known.pop(f.name) for f in fields(together) if f.name in known})
        return ask(**made, **known)

    return asked


def check(known: Mapping[str, Any]) -> Report:
    """Ask every rule whose facts are known; list the others as unasked. Changes nothing.

    `known` maps fact names of `vocabulary.FACTS` to values. A fact that is absent is unknown; so is one that
    is `None`. A rule about a setting that was not chosen has nothing to say, and is not listed as unasked.
    """
    facts = {name: value for name, value in known.items() if value is not None}
    findings: list[Finding] = []
    unasked: dict[str, tuple[str, ...]] = {}
    for each in RULES.values():
        missing = each.needs - facts.keys()
        if not missing:
            findings.extend(each.findings(facts))
        elif missing.isdisjoint(_CHOSEN):
            unasked[each.code] = tuple(sorted(missing))
    findings.sort(key=lambda finding: _ORDER[finding.severity])
    return Report(tuple(findings), unasked)


_CHOSEN = frozenset(name for name, fact in FACTS.items() if fact.source is Source.CHOICES)
_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.ADVICE: 2}
