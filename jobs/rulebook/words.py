"""How numbers, sizes and lists of names are worded in messages."""

from __future__ import annotations

from collections.abc import Collection

import humanize

MANY_NAMES = 12
LONGEST_NAME = 80


def names(listed: Collection[str], limit: int = MANY_NAMES) -> str:
    """`q_proj, k_proj and v_proj`; what exceeds `limit` is counted, and long names are cut."""
    shown = [name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…" for name in list(listed)[:limit]]
    if more := len(listed) - len(shown):
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def number(value: float) -> str:
    """A number without needless digits: 0.0002, 1e-05, 1000, 3."""
    return str(value) if isinstance(value, int) and abs(value) < 10**12 else f"{value:.6g}"


def count(amount: int, thing: str) -> str:
    """`1 row`, `812 rows`."""
    return f"{humanize.intcomma(amount)} {thing}" + ("" if amount == 1 else "s")


def magnitude(amount: int) -> str:
    """Parameters as model cards give them: 135000000 reads 135 M, 8030000000 reads 8.03 B."""
    for unit, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if amount >= unit:
            return f"{amount / unit:.3g} {letter}"
    return str(amount)


def size(amount: int) -> str:
    """Bytes as download pages give them: powers of 1000."""
    return humanize.naturalsize(amount)


def duration(seconds: float) -> str:
    return f"about {humanize.naturaldelta(max(seconds, 1))}"
