"""What a chat template says about itself, read from its syntax tree. It is never rendered: that would run it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

LONGEST = 256 * 1024  # the longest of published models has 20 kB
ROLES = frozenset({"system", "user", "assistant", "tool"})
_NO_SYSTEM = re.compile(r"system.*\bnot\b.*\bsupport|\bnot\b.*\bsupport.*system", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class ChatTemplate:
    """`problem` says why it cannot be read; what it does with roles is known only as far as its text shows it."""

    problem: str = ""
    refuses: frozenset[str] = frozenset()
    """Roles whose turns make it raise."""
    drops: frozenset[str] = frozenset()
    """Roles whose turns it leaves out without a word."""
    alternates: bool = False
    """It raises unless users and assistants take turns, a user first."""


class _Generation(Extension):
    """transformers marks what an assistant said with `generation` and `endgeneration`."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


_ENVIRONMENT = Environment(extensions=["jinja2.ext.loopcontrols", _Generation])  # noqa: S701 - nothing is rendered


def read_template(text: str) -> ChatTemplate:
    if len(text) > LONGEST:
        return ChatTemplate()
    try:
        return _described(_ENVIRONMENT.parse(text))
    except TemplateSyntaxError as error:
        return ChatTemplate(f"line {error.lineno}: {error.message}")
    except RecursionError:
        return ChatTemplate("it is nested too deeply")


def _described(tree: nodes.Template) -> ChatTemplate:
    errors = " ".join(_errors(tree))
    alternates = "alternat" in errors.lower()
    named = {const.value for const in tree.find_all(nodes.Const) if isinstance(const.value, str)}
    refuses = ({"system"} if _NO_SYSTEM.search(errors) else set()) | ({"tool"} - named if alternates else set())
    drops = ROLES - named - refuses if {"user", "assistant"} <= named and _only_compares_roles(tree) else set()
    return ChatTemplate("", frozenset(refuses), frozenset(drops), alternates)


def _errors(tree: nodes.Template) -> Iterator[str]:
    """The words of every error that the template raises itself."""
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "raise_exception":
            yield from (str(word.value) for word in call.find_all(nodes.Const))


def _only_compares_roles(tree: nodes.Template) -> bool:
    """A role that is also written out, or kept in a variable, may be any."""
    compared = {id(role) for compare in tree.find_all(nodes.Compare) for role in _mentions(compare)}
    return bool(compared) and all(id(role) in compared for role in _mentions(tree))


def _mentions(node: nodes.Node) -> Iterator[nodes.Node]:
    """Where `message.role` or `message['role']` stands below a node."""
    yield from (each for each in node.find_all(nodes.Getattr) if each.attr == "role")
    for each in node.find_all(nodes.Getitem):
        if isinstance(each.arg, nodes.Const) and each.arg.value == "role":
            yield each
