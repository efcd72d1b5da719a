"""What the good rows of a file add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .shapes import alternates, initials, shapes_of

TOKENS_PER_TURN = 16
TOKENS_PER_ROW = 64
"""Room for what a chat template prints around turns and before the first one."""
ORDERS_HELD = 4096
"""Nearly all files have less than a hundred; so many at once keep memory bounded for the others."""


@dataclass
class Tally:
    """Lengths are in characters of what is trained as one sequence: of a preference row, its longer side."""

    rows: int = 0
    characters: int = 0
    shortest: int = 0
    longest: int = 0
    turns: int = 0
    fewest_turns: int = 0
    most_turns: int = 0
    roles: Counter[str] = field(default_factory=Counter)
    equal_pairs: int = 0
    unalternating: int = 0
    orders: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    """Of the rows whose orders are held no more."""
    ordinary: dict[tuple[str, ...], int] = field(default_factory=dict)
    """Conversations of which nothing but the roles is to be counted, until `settle` does that for all of a kind."""
    token_ceiling: int = 0
    labels: Counter[bool] = field(default_factory=Counter)
    with_tools: int = 0
    with_calls: int = 0
    with_weights: int = 0
    """Rows with an answer that is not to be learnt."""
    with_reasoning: int = 0
    """Rows with reasoning in a key of its own."""

    def add(self, characters: int, turns: int, size: int, text: Callable[[], str]) -> None:
        """Count one row. `size` bounds its UTF-8 length from above; `text` gives its text when that is needed."""
        if not self.rows:
            self.shortest, self.fewest_turns = characters, turns
        self.rows += 1
        self.characters += characters
        self.turns += turns
        if characters < self.shortest:
            self.shortest = characters
        if characters > self.longest:
            self.longest = characters
        if turns < self.fewest_turns:
            self.fewest_turns = turns
        if turns > self.most_turns:
            self.most_turns = turns
        extra = turns * TOKENS_PER_TURN + TOKENS_PER_ROW
        if size + extra > self.token_ceiling:
            self.token_ceiling = max(self.token_ceiling, len(text().encode()) + extra)

    def add_ordinary(self, roles: tuple[str, ...]) -> None:
        """Note a conversation without empty turns, reasoning and calls. Takes a fifth of the time of noting each."""
        held = self.ordinary
        held[roles] = held.get(roles, 0) + 1
        if len(held) > ORDERS_HELD:
            self.settle()

    def settle(self) -> None:
        """Bring roles and orders up to date."""
        for roles, rows in self.ordinary.items():
            for role in roles:
                self.roles[role] += rows
            self.add_conversations([initials(roles)], rows)
        self.ordinary.clear()

    def add_conversations(self, orders: Sequence[str], rows: int = 1) -> None:
        """Note in which order the conversations of a row go: several where it has several answers."""
        for order in orders:
            if not alternates(order):
                self.unalternating += rows
                break
        self.orders["/".join(orders)] += rows
        if len(self.orders) > ORDERS_HELD:
            self.shapes += self._shapes()
            self.orders.clear()

    def _shapes(self) -> Counter[str]:
        """Rows by their kind, of those whose orders are held."""
        counts: Counter[str] = Counter()
        for orders, rows in self.orders.items():
            for shape in frozenset().union(*map(shapes_of, orders.split("/"))) if orders else ():
                counts[shape] += rows
        return counts

    def as_dict(self) -> dict[str, Any]:
        self.settle()
        stats: dict[str, Any] = {
            "length": {
                "average": round(self.characters / self.rows, 1) if self.rows else 0,
                "shortest": self.shortest,
                "longest": self.longest,
            },
            "token_ceiling": self.token_ceiling,
            "equal_pairs": self.equal_pairs,
            "unalternating": self.unalternating,
            "shapes": dict(sorted((self.shapes + self._shapes()).items())),
        }
        extras = {"tools": self.with_tools, "tool_calls": self.with_calls, "weights": self.with_weights,
                  "reasoning": self.with_reasoning}  # fmt: skip
        stats["extras"] = {name: rows for name, rows in extras.items() if rows}
        if self.labels:
            stats["labels"] = {"good": self.labels[True], "bad": self.labels[False]}
        if self.most_turns:
            average = round(self.turns / self.rows, 1)
            stats["turns"] = {"average": average, "fewest": self.fewest_turns, "most": self.most_turns}
            stats["roles"] = dict(self.roles.most_common())
        return stats
