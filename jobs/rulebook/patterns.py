"""Patterns that a person wrote, tried on module paths for a bounded time.

PEFT matches with `re`, which cannot be stopped. `regex` reads the same patterns and can be, but is ten times slower and
takes exponential time to compile deeply nested groups; so plain patterns go to the one and the rest to the other.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Collection

import regex

LONGEST, DEEPEST = 500, 6
SECONDS = 0.2
_PLAIN = re.compile(r"(?:[^\\*+?{]|\\[^\d])*(?:(?<!\))[*+?](?:[^\\*+?{]|\\[^\d])*){0,3}")
"""At most three repetitions, none of a group and none of another: worst a few thousand steps on a path."""
_READ_OTHERWISE = re.compile(r"\[\[?:|\{(?![\d,])")
"""`[[:alpha:]]` and `{e<=1}` mean something to `regex` and are plain characters to `re`."""

Match = Callable[[str, float], object]


class BadPattern(ValueError):
    """Cannot be used as a pattern; the text says why, as the end of a sentence."""


class SlowPattern(BadPattern):
    """Takes too long to try. In the run it would take as long or longer."""


def full_matches(pattern: str, paths: Collection[str]) -> list[str]:
    """The paths that match as a whole, in order. Raises BadPattern, or SlowPattern after `SECONDS`."""
    matches = _compiled(pattern)
    until = time.monotonic() + SECONDS
    found = []
    for path in paths:
        left = until - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            if matches(path, left):
                found.append(path)
        except TimeoutError:
            raise SlowPattern(f"takes longer than {SECONDS:g} s to try") from None
    return found


def _compiled(pattern: str) -> Match:
    if len(pattern) > LONGEST:
        raise BadPattern(f"is longer than {LONGEST} characters")
    if _depth(pattern) > DEEPEST:
        raise BadPattern(f"holds groups in groups deeper than {DEEPEST}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            plain = re.compile(pattern)  # as PEFT will; `regex` takes more than it does
            if _PLAIN.fullmatch(pattern):
                return lambda path, seconds: plain.fullmatch(path)
            if _READ_OTHERWISE.search(pattern):
                raise BadPattern("holds brackets or braces that are read in two ways")
            bounded = regex.compile(pattern)
        except (re.error, regex.error, RecursionError, OverflowError, Warning) as error:
            raise BadPattern(f"is no valid regular expression: {error}") from None
    return lambda path, seconds: bounded.fullmatch(path, timeout=seconds)


def _depth(pattern: str) -> int:
    """How deep opening brackets nest; escaped ones and those in sets count too, which does no harm."""
    depth = deepest = 0
    for character in pattern:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    return deepest
