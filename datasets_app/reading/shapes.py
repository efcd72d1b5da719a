"""Kinds of conversations that some chat templates refuse, or of which they leave something out without a word."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import cycle

SHAPES = (
    "no-system", "many-exchanges", "two-systems", "late-system", "two-users", "two-assistants",
    "starts-with-assistant", "no-user", "ends-unanswered", "empty-user", "empty-system", "empty-tool",
    "reasoning-early", "reasoning-last",
)  # fmt: skip
THOUGHT = "</think>"
"""Ends the reasoning in an answer. Templates look for it and cut there."""


def order_of(roles: tuple[str, ...], contents: Sequence[str], calls: Sequence[bool] = ()) -> str:
    """Who speaks when, one letter a turn: `sua` is system, user, assistant.

    A capital letter stands for a turn without a word, `r` for an answer that holds reasoning, `c` for one that calls
    tools.
    """
    if any(calls):
        letters = map(_letter, roles, contents)
        return "".join("c" if call else letter for letter, call in zip(letters, calls, strict=True))
    marked = [content for content in contents if "<" in content]
    if "" in contents or (marked and any(THOUGHT in content for content in marked)):
        return "".join(map(_letter, roles, contents))
    return initials(roles)


def _letter(role: str, content: str) -> str:
    if role == "assistant" and THOUGHT in content:
        return "r"
    return role[0] if content else role[0].upper()


@lru_cache(maxsize=4096)
def initials(roles: tuple[str, ...]) -> str:
    return "".join(role[0] for role in roles)


@lru_cache(maxsize=4096)
def alternates(order: str) -> bool:
    """Whether users and assistants take turns, a user first, as many chat templates demand.

    One system message may open the conversation. Calls of tools, and what tools answer, stand outside the order.
    """
    turns = _roles(order).replace("t", "").replace("c", "").removeprefix("s")
    return all(role == expected for role, expected in zip(turns, cycle("ua"), strict=False))


def shapes_of(order: str) -> frozenset[str]:
    """Of which kinds a conversation of this order is."""
    roles = _roles(order)
    dialogue = roles.lstrip("s")
    asked_last = roles.rfind("u")
    signs = {
        "no-system": "s" not in roles,
        "many-exchanges": roles.count("u") > 1,
        "two-systems": roles.startswith("ss"),
        "late-system": "s" in dialogue,
        "two-users": "uu" in roles,
        "two-assistants": "aa" in roles,
        "starts-with-assistant": dialogue.startswith(("a", "c")),
        "no-user": "u" not in roles,
        "ends-unanswered": not roles.endswith(("a", "c")),
        "empty-user": "U" in order,
        "empty-system": "S" in order,
        "empty-tool": "T" in order,
        "reasoning-early": "r" in order[: max(asked_last, 0)],
        "reasoning-last": "r" in order[asked_last + 1 :],
    }
    return frozenset(shape for shape, there in signs.items() if there)


def _roles(order: str) -> str:
    return order.lower().replace("r", "a")
